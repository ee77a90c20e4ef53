package nsqpubsub_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nsqio/nsq/nsqd"

	"rollcall/integration/fixture"
	"rollcall/pipeline/nsqpubsub"
	"rollcall/services/embednsq"
)

func TestHungNSQDDoesNotDelayOthers(t *testing.T) {
	n := fixture.NSQD(t, embednsq.NSQDConfig{})
	hung := fixture.Silent(t)
	c := mustRun(t, nsqpubsub.ConsumerConfig{Cluster: nsqpubsub.Cluster{NSQD: []string{hung, n.TCPAddr()}}})
	p := mustProducer(t, nsqpubsub.ProducerConfig{Cluster: nsqpubsub.Cluster{NSQD: []string{n.TCPAddr()}}})
	mustPublish(t, p, "x")
	fixture.Eventually(t, time.Second, "the message arrives", func() bool { return c.has("x") })
	if c.connected(hung) {
		t.Error("the hung nsqd is reported as connected")
	}
	start := time.Now()
	if err := c.stop(); err != nil {
		t.Error(err)
	}
	if took := time.Since(start); took > time.Second {
		t.Errorf("the stop took %v because of the hung nsqd", took)
	}
}

func TestConsumeFromNewNSQDWithin1500ms(t *testing.T) {
	for name, initialize := range map[string]bool{"consuming from every nsqd": true, "consuming from nsqd with the topic": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := fixture.Lookupd(t)
			fixture.NSQD(t, embednsq.NSQDConfig{Lookupd: []string{l.TCPAddr()}})
			awaitNodes(t, l, 1)
			c := mustRun(t, nsqpubsub.ConsumerConfig{
				Cluster:    nsqpubsub.Cluster{Lookupd: []string{l.HTTPAddr(), fixture.FreeAddr(t)}},
				Initialize: initialize,
			})
			joined := fixture.NSQD(t, embednsq.NSQDConfig{Lookupd: []string{l.TCPAddr()}})
			p := mustProducer(t, nsqpubsub.ProducerConfig{Cluster: nsqpubsub.Cluster{NSQD: []string{joined.TCPAddr()}}})
			mustPublish(t, p, "x")
			took := fixture.Eventually(t, 1500*time.Millisecond, "the message arrives", func() bool { return c.has("x") })
			t.Logf("received after %v", took)
		})
	}
}

func TestInitializeCreatesTopicAndChannelOnEveryNSQD(t *testing.T) {
	l := fixture.Lookupd(t)
	var addrs []string
	for range 2 {
		addrs = append(addrs, fixture.NSQD(t, embednsq.NSQDConfig{Lookupd: []string{l.TCPAddr()}}).HTTPAddr())
	}
	awaitNodes(t, l, 2)
	mustRun(t, nsqpubsub.ConsumerConfig{Cluster: nsqpubsub.Cluster{Lookupd: []string{l.HTTPAddr()}}, Initialize: true})
	for _, addr := range addrs {
		fixture.Eventually(t, 2*time.Second, "nsqd knows the channel", func() bool {
			return strings.Contains(mustGet(t, addr, "/stats?format=json&topic=t"), `"channel_name":"c"`)
		})
	}
}

func TestConsumerReconnectsWithin3sAfterRestart(t *testing.T) {
	n := mustNSQDProcess(t, "")
	cluster := nsqpubsub.Cluster{NSQD: []string{n.TCPAddr()}}
	c := mustRun(t, nsqpubsub.ConsumerConfig{Cluster: cluster})
	p := mustProducer(t, nsqpubsub.ProducerConfig{Cluster: cluster})
	mustPublish(t, p, "before")
	fixture.Eventually(t, time.Second, "the message arrives", func() bool { return c.has("before") })
	n.mustStop(t)
	fixture.Eventually(t, time.Second, "disconnected", func() bool { return !c.connected(n.TCPAddr()) })
	n.mustStart(t)
	took := fixture.Eventually(t, 3*time.Second, "a message arrives again", func() bool {
		_ = p.Publish(t.Context(), "t", []byte("after"))
		return c.has("after")
	})
	t.Logf("reconnected after %v", took)
}

func TestReconnectToHungNSQD(t *testing.T) {
	n := mustNSQDProcess(t, "")
	c := mustRun(t, nsqpubsub.ConsumerConfig{
		Cluster:           nsqpubsub.Cluster{NSQD: []string{n.TCPAddr()}},
		HeartbeatInterval: time.Second,
		ReadTimeout:       1500 * time.Millisecond,
	})
	fixture.Eventually(t, time.Second, "connected", func() bool { return c.connected(n.TCPAddr()) })
	n.mustHang(t)
	fixture.Eventually(t, 2*time.Second, "disconnected", func() bool { return !c.connected(n.TCPAddr()) })
	if c.Nodes()[0].Err == nil {
		t.Error("the node has no error")
	}
	n.mustResume(t)
	fixture.Eventually(t, 3*time.Second, "connected", func() bool { return c.connected(n.TCPAddr()) })
}

func TestConsumeWithoutLookupd(t *testing.T) {
	n := fixture.NSQD(t, embednsq.NSQDConfig{})
	cluster := nsqpubsub.Cluster{NSQD: []string{n.TCPAddr()}, Lookupd: []string{fixture.FreeAddr(t), fixture.Silent(t)}}
	c := mustRun(t, nsqpubsub.ConsumerConfig{Cluster: cluster, Initialize: true})
	p := mustProducer(t, nsqpubsub.ProducerConfig{Cluster: cluster})
	start := time.Now()
	mustPublish(t, p, "x")
	fixture.Eventually(t, time.Second, "the message arrives", func() bool { return c.has("x") })
	if took := time.Since(start); took > time.Second {
		t.Errorf("took %v", took)
	}
}

func TestFailedMessageIsRedeliveredWithoutDelayingOthers(t *testing.T) {
	n := fixture.NSQD(t, embednsq.NSQDConfig{Tune: func(o *nsqd.Options) { o.QueueScanRefreshInterval = 100 * time.Millisecond }})
	cluster := nsqpubsub.Cluster{NSQD: []string{n.TCPAddr()}}
	var good atomic.Int32
	var attempts sync.Map
	c, err := nsqpubsub.NewConsumer(nsqpubsub.ConsumerConfig{Cluster: cluster, Topic: "t", Channel: "c"})
	if err != nil {
		t.Fatal(err)
	}
	runInBackground(t, c, func(_ context.Context, d *nsqpubsub.Delivery) error {
		if string(d.Body) == "good" {
			good.Add(1)
			return nil
		}
		attempts.Store(int(d.Attempts), true)
		return errors.New("bad")
	})
	p := mustProducer(t, nsqpubsub.ProducerConfig{Cluster: cluster})
	for range 50 {
		mustPublish(t, p, "bad")
	}
	for range 500 {
		mustPublish(t, p, "good")
	}
	fixture.Eventually(t, 2*time.Second, "the good messages are handled", func() bool { return good.Load() == 500 })
	// By default, go-nsq gives up after five attempts; this package must not.
	fixture.Eventually(t, 10*time.Second, "message 7 is retried more often than five times", func() bool { _, ok := attempts.Load(7); return ok })
}

func TestDeliveryFields(t *testing.T) {
	n := fixture.NSQD(t, embednsq.NSQDConfig{})
	cluster := nsqpubsub.Cluster{NSQD: []string{n.TCPAddr()}}
	got := make(chan nsqpubsub.Delivery, 1)
	c, err := nsqpubsub.NewConsumer(nsqpubsub.ConsumerConfig{Cluster: cluster, Topic: "t", Channel: "c"})
	if err != nil {
		t.Fatal(err)
	}
	runInBackground(t, c, func(_ context.Context, d *nsqpubsub.Delivery) error {
		got <- *d
		return nil
	})
	before := time.Now()
	mustPublish(t, mustProducer(t, nsqpubsub.ProducerConfig{Cluster: cluster}), "x")
	d := <-got
	if d.NSQD != n.TCPAddr() || d.Attempts != 1 || d.ID == [16]byte{} || string(d.Body) != "x" {
		t.Errorf("got %+v", d)
	}
	if d.Timestamp.Before(before) || d.Timestamp.After(time.Now()) {
		t.Errorf("got timestamp %v, published at %v", d.Timestamp, before)
	}
	nodes := c.Nodes()
	if len(nodes) != 1 {
		t.Fatalf("got nodes %+v", nodes)
	}
	if n := nodes[0]; !n.Connected || n.Received != 1 || n.LastMessage.Before(before) || n.Topic != "t" || n.Err != nil {
		t.Errorf("got node %+v", n)
	}
}

func TestMaxInFlightIsSharedByAllNSQD(t *testing.T) {
	var addrs []string
	for range 2 {
		addrs = append(addrs, fixture.NSQD(t, embednsq.NSQDConfig{}).TCPAddr())
	}
	cluster := nsqpubsub.Cluster{NSQD: addrs}
	p := mustProducer(t, nsqpubsub.ProducerConfig{Cluster: cluster})
	for i := range 200 {
		mustPublish(t, p, fmt.Sprint(i))
	}
	c, err := nsqpubsub.NewConsumer(nsqpubsub.ConsumerConfig{Cluster: cluster, Topic: "t", Channel: "c", MaxInFlight: 6})
	if err != nil {
		t.Fatal(err)
	}
	var busy, most atomic.Int32
	release := make(chan struct{})
	runInBackground(t, c, func(ctx context.Context, _ *nsqpubsub.Delivery) error {
		if n := busy.Add(1); n > most.Load() {
			most.Store(n)
		}
		defer busy.Add(-1)
		select {
		case <-release:
		case <-ctx.Done():
		}
		return ctx.Err()
	})
	fixture.Eventually(t, 3*time.Second, "every handler is busy", func() bool { return busy.Load() == 6 })
	close(release)
	fixture.Eventually(t, 3*time.Second, "every message is received", func() bool { return c.Nodes()[0].Received+c.Nodes()[1].Received == 200 })
	if most.Load() > 6 {
		t.Errorf("%d messages were handled at once, want at most 6", most.Load())
	}
}

func TestRunTwice(t *testing.T) {
	n := fixture.NSQD(t, embednsq.NSQDConfig{})
	c := mustRun(t, nsqpubsub.ConsumerConfig{Cluster: nsqpubsub.Cluster{NSQD: []string{n.TCPAddr()}}})
	fixture.Eventually(t, time.Second, "connected", func() bool { return c.connected(n.TCPAddr()) })
	if err := c.Run(t.Context(), c.receive); err == nil {
		t.Error("the second Run returned no error")
	}
}

// runInBackground runs c until the test ends.
func runInBackground(t *testing.T, c *nsqpubsub.Consumer, h nsqpubsub.Handler) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx, h) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}
