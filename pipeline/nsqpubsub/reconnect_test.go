package nsqpubsub_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/nsqio/nsq/nsqd"

	"rollcall/pipeline/nsqpubsub"
	"rollcall/services/embednsq"
)

// node is the only nsqd's.
func (r *running) node() nsqpubsub.ConsumerNode {
	if nodes := r.Nodes(); len(nodes) == 1 {
		return nodes[0]
	}
	return nsqpubsub.ConsumerNode{}
}

// The consumer alone would find out after ReadTimeout, 12 s.
func TestReconnectReplacesAConnectionThatFellSilent(t *testing.T) {
	n := mustNSQD(t, embednsq.NSQDConfig{Tune: func(o *nsqd.Options) {
		o.MsgTimeout, o.QueueScanRefreshInterval = time.Second, 100*time.Millisecond
	}})
	through := mustProxy(t, n.TCPAddr(), 0)
	c := mustRun(t, nsqpubsub.ConsumerConfig{Cluster: nsqpubsub.Cluster{NSQD: []string{through.addr()}}, Channel: "c#ephemeral"})
	p := mustProducer(t, nsqpubsub.ProducerConfig{Cluster: nsqpubsub.Cluster{NSQD: []string{n.TCPAddr()}}})
	mustPublish(t, p, "before")
	stats := func(part string) func() bool {
		return func() bool { return strings.Contains(mustGet(t, n.HTTPAddr(), "/stats?format=json&topic=t"), part) }
	}
	eventually(t, 2*time.Second, stats(`"finish_count":1`))
	old := c.node()

	through.mute()
	mustPublish(t, p, "in flight")
	eventually(t, 2*time.Second, stats(`"in_flight_count":1`))
	start := time.Now()
	c.Reconnect(through.addr())
	if took := time.Since(start); took > 100*time.Millisecond {
		t.Errorf("the caller was blocked for %v", took)
	}
	mustPublish(t, p, "after")
	took := eventually(t, 2*time.Second, func() bool { return c.node().ConnectedAt.After(old.ConnectedAt) })
	t.Logf("connected after %v", took)
	eventually(t, 5*time.Second, func() bool { return c.has("after") && c.has("in flight") })
}

func TestReconnectLosesNothingOfAnEphemeralChannel(t *testing.T) {
	const messages = 100
	n := mustNSQD(t, embednsq.NSQDConfig{})
	through := mustProxy(t, n.TCPAddr(), 300*time.Millisecond)
	c := mustRun(t, nsqpubsub.ConsumerConfig{Cluster: nsqpubsub.Cluster{NSQD: []string{through.addr()}}, Channel: "c#ephemeral"})
	p := mustProducer(t, nsqpubsub.ProducerConfig{Cluster: nsqpubsub.Cluster{NSQD: []string{n.TCPAddr()}}})
	eventually(t, 2*time.Second, func() bool { return c.connected(through.addr()) })
	c.Reconnect(through.addr())
	for i := range messages { // before and after the new connection stands
		mustPublish(t, p, fmt.Sprint(i))
		<-time.After(5 * time.Millisecond)
	}
	eventually(t, 5*time.Second, func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return len(c.bodies) >= messages
	})
	for i := range messages {
		if !c.has(fmt.Sprint(i)) {
			t.Errorf("message %d did not come", i)
		}
	}
	// What was given up ends.
	eventually(t, 5*time.Second, func() bool {
		return strings.Contains(mustGet(t, n.HTTPAddr(), "/stats?format=json&topic=t"), `"client_count":1`)
	})
	if !c.connected(through.addr()) {
		t.Error("not connected in the end")
	}
}

func TestReconnectGivesUpAnAttemptThatHangs(t *testing.T) {
	n := mustNSQD(t, embednsq.NSQDConfig{})
	through := mustProxy(t, n.TCPAddr(), 0)
	through.silent.Store(true)
	c := mustRun(t, nsqpubsub.ConsumerConfig{Cluster: nsqpubsub.Cluster{NSQD: []string{through.addr()}}})
	eventually(t, 2*time.Second, func() bool {
		through.mu.Lock()
		defer through.mu.Unlock()
		return len(through.pipes) == 1
	})
	if c.connected(through.addr()) || !c.node().ConnectedAt.IsZero() {
		t.Fatalf("connected without an answer: %+v", c.node())
	}
	through.silent.Store(false)
	c.Reconnect(through.addr())
	eventually(t, 2*time.Second, func() bool { return c.connected(through.addr()) })
}

func TestReconnectLeavesOthersAlone(t *testing.T) {
	cluster := nsqpubsub.Cluster{NSQD: []string{mustNSQD(t, embednsq.NSQDConfig{}).TCPAddr(), mustNSQD(t, embednsq.NSQDConfig{}).TCPAddr()}}
	c := mustRun(t, nsqpubsub.ConsumerConfig{Cluster: cluster})
	eventually(t, 2*time.Second, func() bool { return c.connected(cluster.NSQD[0]) && c.connected(cluster.NSQD[1]) })
	since := func() map[string]time.Time {
		all := make(map[string]time.Time)
		for _, n := range c.Nodes() {
			all[n.Address] = n.ConnectedAt
		}
		return all
	}
	before := since()
	c.Reconnect(deadAddress(t))
	c.Reconnect(cluster.NSQD[0])
	eventually(t, 2*time.Second, func() bool { return since()[cluster.NSQD[0]].After(before[cluster.NSQD[0]]) })
	if after := since(); len(after) != 2 || !after[cluster.NSQD[1]].Equal(before[cluster.NSQD[1]]) {
		t.Errorf("connected since %v, then %v: the other one was touched", before, after)
	}
}

func TestASilentConnectionGivenUpHoldsUpNoStop(t *testing.T) {
	n := mustNSQD(t, embednsq.NSQDConfig{})
	through := mustProxy(t, n.TCPAddr(), 0)
	c := mustRun(t, nsqpubsub.ConsumerConfig{Cluster: nsqpubsub.Cluster{NSQD: []string{through.addr()}}})
	eventually(t, 2*time.Second, func() bool { return c.connected(through.addr()) })
	through.silent.Store(true)
	through.mute()
	for range 3 {
		c.Reconnect(through.addr())
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
	n := mustNSQD(t, embednsq.NSQDConfig{})
	s := mustSubscriber(t, nsqpubsub.SubscriberConfig{ConsumerConfig: nsqpubsub.ConsumerConfig{
		Cluster: nsqpubsub.Cluster{NSQD: []string{n.TCPAddr()}}, Channel: "c#ephemeral",
	}})
	s.Reconnect(n.TCPAddr()) // of no subscription
	for _, topic := range []string{"t", "u"} {
		messages, err := s.Subscribe(context.Background(), topic)
		if err != nil {
			t.Fatal(err)
		}
		go ackAll(messages)
	}
	before := s.Nodes()
	s.Reconnect(n.TCPAddr())
	eventually(t, 2*time.Second, func() bool {
		after := s.Nodes()
		return len(after) == 2 && after[0].ConnectedAt.After(before[0].ConnectedAt) && after[1].ConnectedAt.After(before[1].ConnectedAt)
	})
}

func ackAll(messages <-chan *message.Message) {
	for m := range messages {
		m.Ack()
	}
}

func TestANodeTellsSinceWhen(t *testing.T) {
	n := mustNSQDProcess(t, "")
	cluster := nsqpubsub.Cluster{NSQD: []string{n.TCPAddr()}}
	start := time.Now()
	c := mustRun(t, nsqpubsub.ConsumerConfig{Cluster: cluster})
	p := mustProducer(t, nsqpubsub.ProducerConfig{Cluster: cluster})
	eventually(t, 2*time.Second, func() bool { return c.connected(n.TCPAddr()) })
	connected := c.node()
	if at := connected.ConnectedAt; at.Before(start) || at.After(time.Now()) || !connected.LastMessage.IsZero() {
		t.Errorf("connected after %v: got %+v", start, connected)
	}
	published := time.Now()
	mustPublish(t, p, "x")
	eventually(t, 2*time.Second, func() bool { return c.has("x") })
	heard := c.node()
	if at := heard.LastMessage; at.Before(published) || at.After(time.Now()) || !heard.ConnectedAt.Equal(connected.ConnectedAt) {
		t.Errorf("a message published at %v: got %+v", published, heard)
	}
	if at := heard.LastMessage; !strings.Contains(at.String(), "m=") {
		t.Error("the last message has no monotonic reading: a jump of the wall clock makes it old")
	}
	n.mustStop(t)
	eventually(t, 2*time.Second, func() bool { return !c.connected(n.TCPAddr()) })
	if at := c.node().ConnectedAt; !at.IsZero() {
		t.Errorf("connected since %v though it is not", at)
	}
}
