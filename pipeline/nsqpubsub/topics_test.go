package nsqpubsub_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nsqio/nsq/nsqd"

	"rollcall/integration/fixture"
	"rollcall/pipeline/nsqpubsub"
	"rollcall/services/embednsq"
)

// hasTopic reports whether nsqd has the topic.
func hasTopic(t *testing.T, n *embednsq.NSQD, topic string) bool {
	t.Helper()
	return strings.Contains(mustGet(t, n.HTTPAddr(), "/stats?format=json"), fmt.Sprintf(`"topic_name":%q`, topic))
}

func awaitTopics(t *testing.T, n *embednsq.NSQD, topics ...string) {
	t.Helper()
	for _, topic := range topics {
		fixture.Eventually(t, 5*time.Second, "nsqd has the topic "+topic, func() bool { return hasTopic(t, n, topic) })
	}
}

func TestTopicsExistOnEveryNSQD(t *testing.T) {
	l := fixture.Lookupd(t)
	start := func(addr string) *embednsq.NSQD {
		return fixture.NSQD(t, embednsq.NSQDConfig{TCPAddress: addr, Lookupd: []string{l.TCPAddr()}})
	}
	static, named := start(""), start("")
	awaitNodes(t, l, 2)
	mustRun(t, nsqpubsub.ConsumerConfig{
		Cluster:    nsqpubsub.Cluster{NSQD: []string{static.TCPAddr()}, Lookupd: []string{l.HTTPAddr()}, LookupdPollInterval: 20 * time.Millisecond},
		Initialize: true, CreateTopics: []string{"u", "v"},
	})
	awaitTopics(t, static, "u", "v")
	awaitTopics(t, named, "u", "v")
	awaitTopics(t, start(""), "u", "v") // joins later

	// An nsqd that restarts without its data has no topics.
	addr := named.TCPAddr()
	if err := named.Stop(); err != nil {
		t.Fatal(err)
	}
	awaitTopics(t, start(addr), "u", "v")
}

// A topic without channels keeps its messages for the first channel.
func TestCreatedTopicKeepsItsMessages(t *testing.T) {
	n := fixture.NSQD(t, embednsq.NSQDConfig{})
	cluster := nsqpubsub.Cluster{NSQD: []string{n.TCPAddr()}}
	p := mustProducer(t, nsqpubsub.ProducerConfig{Cluster: cluster})
	mustPublish(t, p, "before")
	const channel = "other"
	c, err := nsqpubsub.NewConsumer(nsqpubsub.ConsumerConfig{Cluster: cluster, Topic: "v", Channel: channel, CreateTopics: []string{"t", "u"}})
	if err != nil {
		t.Fatal(err)
	}
	run(t, c)
	awaitTopics(t, n, "u") // topics are created in turn, so t was created before
	if stats := mustGet(t, n.HTTPAddr(), "/stats?format=json"); strings.Count(stats, `"channel_name"`) != 1 {
		t.Errorf("got %s, want the channel %q only", stats, channel)
	}
	mustPublish(t, p, "after")
	received := mustRun(t, nsqpubsub.ConsumerConfig{Cluster: cluster, MaxInFlight: 1})
	fixture.Eventually(t, 5*time.Second, "the messages arrive", func() bool { return received.len() == 2 })
	if !slices.Equal(received.bodies, []string{"before", "after"}) {
		t.Errorf("received %q", received.bodies)
	}
}

func TestTopicIsCreatedOnceItIsPermitted(t *testing.T) {
	var permitted atomic.Bool
	auth := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		permissions := `"subscribe"`
		if permitted.Load() {
			permissions += `,"publish"`
		}
		fmt.Fprintf(w, `{"ttl":1,"identity":"test","authorizations":[{"permissions":[%s],"topic":".*","channels":[".*"]}]}`, permissions)
	}))
	t.Cleanup(auth.Close)
	n := fixture.NSQD(t, embednsq.NSQDConfig{Tune: func(o *nsqd.Options) {
		o.AuthHTTPAddresses = []string{strings.TrimPrefix(auth.URL, "http://")}
	}})
	log := &lines{}
	c := mustRun(t, nsqpubsub.ConsumerConfig{
		Cluster: nsqpubsub.Cluster{NSQD: []string{n.TCPAddr()}, AuthSecret: "s3cret"}, CreateTopics: []string{"u"}, Logger: log,
	})
	fixture.Eventually(t, 5*time.Second, "a failure is logged", func() bool {
		return log.count("topic cannot be created; retrying: ") == 1 && log.count("E_UNAUTHORIZED") == 1
	})
	if !c.connected(n.TCPAddr()) || hasTopic(t, n, "u") {
		t.Error("the consumer is not connected, or the topic exists")
	}
	permitted.Store(true)
	awaitTopics(t, n, "u")
	if n := log.count("topic cannot be created"); n != 1 {
		t.Errorf("%d failures are logged, want one: %q", n, log.all())
	}
}
