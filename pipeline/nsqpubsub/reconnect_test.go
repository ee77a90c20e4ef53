package nsqpubsub_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/nsqio/nsq/nsqd"

	"rollcall/integration/fixture"
	"rollcall/pipeline/nsqpubsub"
	"rollcall/services/embednsq"
)

// node returns the state of the only nsqd, or a zero state if there is not exactly one nsqd.
func (r *running) node() nsqpubsub.ConsumerNode {
	if nodes := r.Nodes(); len(nodes) == 1 {
		return nodes[0]
	}
	return nsqpubsub.ConsumerNode{}
}

// Without Reconnect, the consumer would detect the silent connection only after ReadTimeout, which is 12 s.
func TestReconnectReplacesSilentConnection(t *testing.T) {
	n := fixture.NSQD(t, embednsq.NSQDConfig{Tune: func(o *nsqd.Options) {
		o.MsgTimeout, o.QueueScanRefreshInterval = time.Second, 100*time.Millisecond
	}})
	through := fixture.NewLink(t, n.TCPAddr())
	c := mustRun(t, nsqpubsub.ConsumerConfig{Cluster: nsqpubsub.Cluster{NSQD: []string{through.Addr}}, Channel: "c#ephemeral"})
	p := mustProducer(t, nsqpubsub.ProducerConfig{Cluster: nsqpubsub.Cluster{NSQD: []string{n.TCPAddr()}}})
	mustPublish(t, p, "before")
	stats := func(part string) func() bool {
		return func() bool { return strings.Contains(mustGet(t, n.HTTPAddr(), "/stats?format=json&topic=t"), part) }
	}
	fixture.Eventually(t, 2*time.Second, "nsqd counts one finished message", stats(`"finish_count":1`))
	old := c.node()

	through.Silence(fixture.BothWays)
	mustPublish(t, p, "in flight")
	fixture.Eventually(t, 2*time.Second, "nsqd counts one message in flight", stats(`"in_flight_count":1`))
	start := time.Now()
	c.Reconnect(through.Addr)
	if took := time.Since(start); took > 100*time.Millisecond {
		t.Errorf("Reconnect blocked for %v", took)
	}
	mustPublish(t, p, "after")
	took := fixture.Eventually(t, 2*time.Second, "connected again", func() bool { return c.node().ConnectedAt.After(old.ConnectedAt) })
	t.Logf("connected after %v", took)
	fixture.Eventually(t, 5*time.Second, "both messages arrive", func() bool { return c.has("after") && c.has("in flight") })
}

func TestReconnectLosesNoMessagesOfEphemeralChannel(t *testing.T) {
	const messages = 100
	n := fixture.NSQD(t, embednsq.NSQDConfig{})
	through := fixture.NewLink(t, n.TCPAddr())
	through.DelayConnect(300 * time.Millisecond)
	c := mustRun(t, nsqpubsub.ConsumerConfig{Cluster: nsqpubsub.Cluster{NSQD: []string{through.Addr}}, Channel: "c#ephemeral"})
	p := mustProducer(t, nsqpubsub.ProducerConfig{Cluster: nsqpubsub.Cluster{NSQD: []string{n.TCPAddr()}}})
	fixture.Eventually(t, 2*time.Second, "connected", func() bool { return c.connected(through.Addr) })
	c.Reconnect(through.Addr)
	for i := range messages { // some messages are published before the new connection is ready, and some after that
		mustPublish(t, p, fmt.Sprint(i))
		<-time.After(5 * time.Millisecond)
	}
	fixture.Eventually(t, 5*time.Second, "every message arrives", func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return len(c.bodies) >= messages
	})
	for i := range messages {
		if !c.has(fmt.Sprint(i)) {
			t.Errorf("message %d did not arrive", i)
		}
	}
	// The old connection must be closed too, so that only the new connection remains.
	fixture.Eventually(t, 5*time.Second, "nsqd has one client", func() bool {
		return strings.Contains(mustGet(t, n.HTTPAddr(), "/stats?format=json&topic=t"), `"client_count":1`)
	})
	if !c.connected(through.Addr) {
		t.Error("not connected")
	}
}

func TestReconnectEndsHungAttempt(t *testing.T) {
	n := fixture.NSQD(t, embednsq.NSQDConfig{})
	through := fixture.NewLink(t, n.TCPAddr())
	through.SilenceNew(true)
	c := mustRun(t, nsqpubsub.ConsumerConfig{Cluster: nsqpubsub.Cluster{NSQD: []string{through.Addr}}})
	fixture.Eventually(t, 2*time.Second, "the connection is open", func() bool { return through.Conns() == 1 })
	if c.connected(through.Addr) || !c.node().ConnectedAt.IsZero() {
		t.Fatalf("connected without a response: %+v", c.node())
	}
	through.SilenceNew(false)
	c.Reconnect(through.Addr)
	fixture.Eventually(t, 2*time.Second, "connected", func() bool { return c.connected(through.Addr) })
}

func TestReconnectDoesNotAffectOthers(t *testing.T) {
	cluster := nsqpubsub.Cluster{NSQD: []string{fixture.NSQD(t, embednsq.NSQDConfig{}).TCPAddr(), fixture.NSQD(t, embednsq.NSQDConfig{}).TCPAddr()}}
	c := mustRun(t, nsqpubsub.ConsumerConfig{Cluster: cluster})
	fixture.Eventually(t, 2*time.Second, "connected to both", func() bool { return c.connected(cluster.NSQD[0]) && c.connected(cluster.NSQD[1]) })
	since := func() map[string]time.Time {
		all := make(map[string]time.Time)
		for _, n := range c.Nodes() {
			all[n.Address] = n.ConnectedAt
		}
		return all
	}
	before := since()
	c.Reconnect(fixture.FreeAddr(t))
	c.Reconnect(cluster.NSQD[0])
	fixture.Eventually(t, 2*time.Second, "connected again", func() bool { return since()[cluster.NSQD[0]].After(before[cluster.NSQD[0]]) })
	if after := since(); len(after) != 2 || !after[cluster.NSQD[1]].Equal(before[cluster.NSQD[1]]) {
		t.Errorf("connected since %v, then %v: Reconnect affected the other nsqd", before, after)
	}
}

func TestSilentConnectionDoesNotDelayStop(t *testing.T) {
	n := fixture.NSQD(t, embednsq.NSQDConfig{})
	through := fixture.NewLink(t, n.TCPAddr())
	c := mustRun(t, nsqpubsub.ConsumerConfig{Cluster: nsqpubsub.Cluster{NSQD: []string{through.Addr}}})
	fixture.Eventually(t, 2*time.Second, "connected", func() bool { return c.connected(through.Addr) })
	through.SilenceNew(true)
	through.Silence(fixture.BothWays)
	for range 3 {
		c.Reconnect(through.Addr)
	}
	start := time.Now()
	if err := c.stop(); err != nil {
		t.Error(err)
	}
	if took := time.Since(start); took > 3*time.Second {
		t.Errorf("the stop took %v", took)
	}
}

func TestSubscriberReconnect(t *testing.T) {
	n := fixture.NSQD(t, embednsq.NSQDConfig{})
	s := mustSubscriber(t, nsqpubsub.SubscriberConfig{ConsumerConfig: nsqpubsub.ConsumerConfig{
		Cluster: nsqpubsub.Cluster{NSQD: []string{n.TCPAddr()}}, Channel: "c#ephemeral",
	}})
	s.Reconnect(n.TCPAddr()) // has no effect, because there are no subscriptions yet
	for _, topic := range []string{"t", "u"} {
		messages, err := s.Subscribe(context.Background(), topic)
		if err != nil {
			t.Fatal(err)
		}
		go ackAll(messages)
	}
	before := s.Nodes()
	s.Reconnect(n.TCPAddr())
	fixture.Eventually(t, 2*time.Second, "both are connected again", func() bool {
		after := s.Nodes()
		return len(after) == 2 && after[0].ConnectedAt.After(before[0].ConnectedAt) && after[1].ConnectedAt.After(before[1].ConnectedAt)
	})
}

func ackAll(messages <-chan *message.Message) {
	for m := range messages {
		m.Ack()
	}
}

func TestNodeTimes(t *testing.T) {
	n := mustNSQDProcess(t, "")
	cluster := nsqpubsub.Cluster{NSQD: []string{n.TCPAddr()}}
	start := time.Now()
	c := mustRun(t, nsqpubsub.ConsumerConfig{Cluster: cluster})
	p := mustProducer(t, nsqpubsub.ProducerConfig{Cluster: cluster})
	fixture.Eventually(t, 2*time.Second, "connected", func() bool { return c.connected(n.TCPAddr()) })
	connected := c.node()
	if at := connected.ConnectedAt; at.Before(start) || at.After(time.Now()) || !connected.LastMessage.IsZero() {
		t.Errorf("started at %v: got %+v", start, connected)
	}
	published := time.Now()
	mustPublish(t, p, "x")
	fixture.Eventually(t, 2*time.Second, "the message arrives", func() bool { return c.has("x") })
	received := c.node()
	if at := received.LastMessage; at.Before(published) || at.After(time.Now()) || !received.ConnectedAt.Equal(connected.ConnectedAt) {
		t.Errorf("a message published at %v: got %+v", published, received)
	}
	if at := received.LastMessage; !strings.Contains(at.String(), "m=") {
		t.Error("LastMessage has no monotonic reading, so setting the wall clock would change its age")
	}
	n.mustStop(t)
	fixture.Eventually(t, 2*time.Second, "disconnected", func() bool { return !c.connected(n.TCPAddr()) })
	if at := c.node().ConnectedAt; !at.IsZero() {
		t.Errorf("ConnectedAt is %v while not connected", at)
	}
}
