package nsqpubsub_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"rollcall/integration/fixture"
	"rollcall/pipeline/nsqpubsub"
	"rollcall/services/embednsq"
)

// Subscribers that poll nsqlookupd once a minute find a new nsqd late, so it must not take over.
func TestOrderedProducerStaysWithItsNSQD(t *testing.T) {
	l := fixture.Lookupd(t)
	start := func() *embednsq.NSQD { return fixture.NSQD(t, embednsq.NSQDConfig{Lookupd: []string{l.TCPAddr()}}) }
	first := start()
	awaitNodes(t, l, 1)
	p := mustProducer(t, nsqpubsub.ProducerConfig{
		Cluster: nsqpubsub.Cluster{Lookupd: []string{l.HTTPAddr()}, LookupdPollInterval: 20 * time.Millisecond, ForgetAfter: 100 * time.Millisecond},
		Ordered: true, PenaltyTime: time.Millisecond,
	})
	mustPublish(t, p, "0")
	const joined = 7 // with so many, at least one of them has a lower rank than the first nsqd in all but one of eight runs
	var others []*embednsq.NSQD
	for range joined {
		others = append(others, start())
	}
	fixture.Eventually(t, 5*time.Second, "every nsqd is known", func() bool { return len(p.Nodes()) == 1+joined })
	mustPublish(t, p, "1")
	mustPublish(t, p, "2")
	if n := messages(t, first); n != 3 {
		t.Errorf("the first nsqd has %d messages, want all 3", n)
	}
	if err := first.Stop(); err != nil {
		t.Fatal(err)
	}
	for i := range 10 {
		mustPublish(t, p, fmt.Sprint(i))
	}
	used := 0
	for _, n := range others {
		if got := messages(t, n); got == 10 {
			used++
		} else if got != 0 {
			t.Errorf("an nsqd has %d messages, want all or none", got)
		}
	}
	if used != 1 {
		t.Errorf("%d nsqd took over, want one", used)
	}
}

// messages returns the number of messages of the topic "t" that were published to nsqd.
func messages(t *testing.T, n *embednsq.NSQD) (count int) {
	t.Helper()
	_, rest, found := strings.Cut(mustGet(t, n.HTTPAddr(), "/stats?format=json&topic=t"), `"message_count":`)
	if found {
		_, _ = fmt.Sscan(rest[:strings.IndexAny(rest, ",}")], &count)
	}
	return count
}
