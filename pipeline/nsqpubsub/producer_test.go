package nsqpubsub_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"rollcall/integration/fixture"
	"rollcall/pipeline/nsqpubsub"
	"rollcall/services/embednsq"
)

// hungDelay is the maximum duration of a Publish that tries a hung nsqd first: PublishTimeout, which is 1 s by default, and 200 ms for
// the next nsqd.
const hungDelay = 1200 * time.Millisecond

func TestHungNSQDDelaysOnePublishAndIsPenalized(t *testing.T) {
	hang := map[string]func(t *testing.T) (addr string, hang func()){
		"hangs while connected": func(t *testing.T) (string, func()) {
			n := mustNSQDProcess(t, "")
			return n.TCPAddr(), func() { n.mustHang(t) }
		},
		"accepts connections and never responds": func(t *testing.T) (string, func()) {
			return fixture.Silent(t), func() {}
		},
	}
	for name, setup := range hang {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			hung, hang := setup(t)
			healthy := fixture.NSQD(t, embednsq.NSQDConfig{})
			p := mustProducer(t, nsqpubsub.ProducerConfig{Cluster: nsqpubsub.Cluster{NSQD: []string{hung, healthy.TCPAddr()}}})
			for range 10 {
				mustPublish(t, p, "before")
			}
			hang()
			slow := 0
			for i := range 40 {
				start := time.Now()
				mustPublish(t, p, fmt.Sprint("after", i))
				took := time.Since(start)
				if took > hungDelay {
					t.Errorf("publish %d took %v", i, took)
				}
				if took > 500*time.Millisecond {
					slow++
				}
			}
			if slow > 1 {
				t.Errorf("%d publishes waited for the hung nsqd, want at most one", slow)
			}
			for _, n := range p.Nodes() {
				if n.Penalized != (n.Address == hung) {
					t.Errorf("%s: penalized %v", n.Address, n.Penalized)
				}
				if n.Address == hung && !errors.Is(n.Err, nsqpubsub.ErrTimeout) {
					t.Errorf("%s: error %v, want a timeout", n.Address, n.Err)
				}
			}
			c := mustRun(t, nsqpubsub.ConsumerConfig{Cluster: nsqpubsub.Cluster{NSQD: []string{healthy.TCPAddr()}}})
			fixture.Eventually(t, 2*time.Second, "both messages arrive", func() bool { return c.has("after0") && c.has("after39") })
		})
	}
}

func TestPenalizedNSQDIsUsedIfThereIsNoOther(t *testing.T) {
	n := mustNSQDProcess(t, "")
	p := mustProducer(t, nsqpubsub.ProducerConfig{
		Cluster:     nsqpubsub.Cluster{NSQD: []string{n.TCPAddr()}},
		PenaltyTime: time.Hour,
	})
	mustPublish(t, p, "x")
	n.mustStop(t)
	if err := p.Publish(t.Context(), "t", []byte("x")); err == nil {
		t.Fatal("Publish to a stopped nsqd returned no error")
	}
	n.mustStart(t)
	fixture.Eventually(t, 3*time.Second, "a message is published", func() bool { return p.Publish(t.Context(), "t", []byte("x")) == nil })
	if n := p.Nodes()[0]; n.Penalized || n.Err != nil {
		t.Errorf("after a success: %+v", n)
	}
}

func TestPublishRejectsInvalidMessagesBeforeSending(t *testing.T) {
	n := fixture.NSQD(t, embednsq.NSQDConfig{})
	p := mustProducer(t, nsqpubsub.ProducerConfig{
		Cluster:        nsqpubsub.Cluster{NSQD: []string{n.TCPAddr()}},
		MaxMessageSize: 10,
	})
	mustPublish(t, p, "before")
	before := mustGet(t, n.HTTPAddr(), "/stats?format=json")
	rows := map[string]struct {
		topic, body string
		want        error
	}{
		"empty body":                          {"t", "", nsqpubsub.ErrEmpty},
		"body one byte longer than the limit": {"t", "12345678901", nsqpubsub.ErrTooLarge},
		"empty topic":                         {"", "x", nsqpubsub.ErrTopic},
		"topic of 65 characters":              {strings.Repeat("x", 65), "x", nsqpubsub.ErrTopic},
		"topic with an invalid character":     {"a/b", "x", nsqpubsub.ErrTopic},
	}
	for name, row := range rows {
		t.Run(name, func(t *testing.T) {
			if err := p.Publish(t.Context(), row.topic, []byte(row.body)); !errors.Is(err, row.want) {
				t.Errorf("got %v, want %v", err, row.want)
			}
		})
	}
	if err := p.Publish(t.Context(), "t", []byte("1234567890")); err != nil {
		t.Errorf("body as long as the limit: %v", err)
	}
	after := mustGet(t, n.HTTPAddr(), "/stats?format=json")
	if a, b := remoteAddress(before), remoteAddress(after); a == "" || a != b {
		t.Errorf("the connection changed from %q to %q", a, b)
	}
}

// remoteAddress returns the first remote address in nsqd's statistics.
func remoteAddress(stats string) string {
	_, rest, _ := strings.Cut(stats, `"remote_address":"`)
	addr, _, _ := strings.Cut(rest, `"`)
	return addr
}

func TestPublishWithoutNSQD(t *testing.T) {
	lookupd := fixture.Lookupd(t)
	for name, addr := range map[string]string{"nsqlookupd names no nsqd": lookupd.HTTPAddr(), "nsqlookupd is down": fixture.FreeAddr(t)} {
		t.Run(name, func(t *testing.T) {
			p := mustProducer(t, nsqpubsub.ProducerConfig{Cluster: nsqpubsub.Cluster{Lookupd: []string{addr}}})
			if err := p.Publish(t.Context(), "t", []byte("x")); !errors.Is(err, nsqpubsub.ErrNoNSQD) {
				t.Errorf("got %v, want ErrNoNSQD", err)
			}
		})
	}
}

func TestPublishEndsWithItsContext(t *testing.T) {
	p := mustProducer(t, nsqpubsub.ProducerConfig{Cluster: nsqpubsub.Cluster{NSQD: []string{fixture.Silent(t)}}})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	start := time.Now()
	if err := p.Publish(ctx, "t", []byte("x")); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want the context's error", err)
	}
	if took := time.Since(start); took > 500*time.Millisecond {
		t.Errorf("took %v", took)
	}
	if p.Nodes()[0].Penalized {
		t.Error("the nsqd is penalized although the caller's context ended")
	}
}

func TestPublishContinuesWithoutLookupd(t *testing.T) {
	l := fixture.Lookupd(t)
	n := fixture.NSQD(t, embednsq.NSQDConfig{Lookupd: []string{l.TCPAddr()}})
	awaitNodes(t, l, 1)
	p := mustProducer(t, nsqpubsub.ProducerConfig{Cluster: nsqpubsub.Cluster{
		Lookupd:             []string{l.HTTPAddr(), fixture.FreeAddr(t)},
		LookupdPollInterval: 20 * time.Millisecond,
		ForgetAfter:         100 * time.Millisecond,
	}})
	mustPublish(t, p, "x")
	if err := l.Stop(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(300 * time.Millisecond); time.Now().Before(deadline); {
		mustPublish(t, p, "x")
	}
	if nodes := p.Nodes(); len(nodes) != 1 || nodes[0].Address != n.TCPAddr() {
		t.Errorf("got nodes %v", nodes)
	}
}

func TestNSQDNoLongerNamedIsForgotten(t *testing.T) {
	l := fixture.Lookupd(t)
	stays := fixture.NSQD(t, embednsq.NSQDConfig{Lookupd: []string{l.TCPAddr()}})
	leaves := fixture.NSQD(t, embednsq.NSQDConfig{Lookupd: []string{l.TCPAddr()}})
	awaitNodes(t, l, 2)
	p := mustProducer(t, nsqpubsub.ProducerConfig{Cluster: nsqpubsub.Cluster{
		Lookupd:             []string{l.HTTPAddr()},
		LookupdPollInterval: 20 * time.Millisecond,
		ForgetAfter:         100 * time.Millisecond,
	}})
	for range 20 {
		mustPublish(t, p, "x")
	}
	if len(p.Nodes()) != 2 {
		t.Fatalf("got nodes %v, want two", p.Nodes())
	}
	if err := leaves.Stop(); err != nil {
		t.Fatal(err)
	}
	fixture.Eventually(t, 3*time.Second, "every nsqd is listed", func() bool { return len(p.Nodes()) == 1 })
	if got := p.Nodes()[0].Address; got != stays.TCPAddr() {
		t.Errorf("kept %s, want %s", got, stays.TCPAddr())
	}
	mustPublish(t, p, "x")
}

func TestPublishUsesAllNSQDEvenly(t *testing.T) {
	var addrs []string
	for range 3 {
		addrs = append(addrs, fixture.NSQD(t, embednsq.NSQDConfig{}).TCPAddr())
	}
	p := mustProducer(t, nsqpubsub.ProducerConfig{Cluster: nsqpubsub.Cluster{NSQD: addrs}})
	for range 300 {
		mustPublish(t, p, "x")
	}
	c := mustRun(t, nsqpubsub.ConsumerConfig{Cluster: nsqpubsub.Cluster{NSQD: addrs}})
	fixture.Eventually(t, 5*time.Second, "every message arrives", func() bool { return c.count("x") == 300 })
	for _, n := range c.Nodes() {
		if n.Received < 50 || n.Received > 150 {
			t.Errorf("%s received %d of 300", n.Address, n.Received)
		}
	}
}

func TestProducerCloseIsBoundedAndIdempotent(t *testing.T) {
	p := mustProducer(t, nsqpubsub.ProducerConfig{Cluster: nsqpubsub.Cluster{NSQD: []string{fixture.Silent(t)}}})
	result := make(chan error, 1)
	go func() { result <- p.Publish(context.Background(), "t", []byte("x")) }()
	fixture.Eventually(t, time.Second, "every nsqd is listed", func() bool { return len(p.Nodes()) == 1 })
	start := time.Now()
	for range 2 {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	}
	if took := time.Since(start); took > 2500*time.Millisecond {
		t.Errorf("close took %v", took)
	}
	if err := <-result; err == nil {
		t.Error("Publish to a hung nsqd returned no error")
	}
	if err := p.Publish(t.Context(), "t", []byte("x")); !errors.Is(err, nsqpubsub.ErrClosed) {
		t.Errorf("publish after close: got %v, want ErrClosed", err)
	}
}

func TestOrderedProducerUsesOneNSQD(t *testing.T) {
	const messages = 50
	var cluster nsqpubsub.Cluster
	for range 3 {
		cluster.NSQD = append(cluster.NSQD, fixture.NSQD(t, embednsq.NSQDConfig{}).TCPAddr())
	}
	p := mustProducer(t, nsqpubsub.ProducerConfig{Cluster: cluster, Ordered: true})
	for i := range messages {
		mustPublish(t, p, fmt.Sprint(i))
	}
	r := mustRun(t, nsqpubsub.ConsumerConfig{Cluster: cluster, MaxInFlight: 1})
	deadline := time.Now().Add(5 * time.Second)
	for !r.has(fmt.Sprint(messages-1)) && time.Now().Before(deadline) {
		pauseBriefly()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, body := range r.bodies {
		if body != fmt.Sprint(i) {
			t.Fatalf("message %d is %s", i, body)
		}
	}
	if len(r.bodies) != messages {
		t.Errorf("%d of %d messages arrived", len(r.bodies), messages)
	}
}
