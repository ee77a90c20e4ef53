package nsqpubsub_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"rollcall/integration/fixture"
	"rollcall/pipeline/nsqpubsub"
	"rollcall/services/embednsq"
)

func TestPublishToUsesTheGivenNSQD(t *testing.T) {
	one, other := fixture.NSQD(t, embednsq.NSQDConfig{}), fixture.NSQD(t, embednsq.NSQDConfig{})
	cluster := nsqpubsub.Cluster{NSQD: []string{one.TCPAddr(), other.TCPAddr()}}
	for name, ordered := range map[string]bool{"random": false, "ordered": true} {
		t.Run(name, func(t *testing.T) {
			c := mustRun(t, nsqpubsub.ConsumerConfig{Cluster: cluster})
			p := mustProducer(t, nsqpubsub.ProducerConfig{Cluster: cluster, Ordered: ordered})
			for range 20 {
				if err := p.PublishTo(t.Context(), one.TCPAddr(), "t", []byte("x")); err != nil {
					t.Fatal(err)
				}
			}
			fixture.Eventually(t, 5*time.Second, "every message arrives", func() bool { return c.count("x") == 20 })
			for _, n := range c.Nodes() {
				want := uint64(0)
				if n.Address == one.TCPAddr() {
					want = 20
				}
				if n.Received != want {
					t.Errorf("%d arrived through %s, want %d", n.Received, n.Address, want)
				}
			}
		})
	}
}

func TestPublishToTriesNoOtherNSQD(t *testing.T) {
	healthy, gone := fixture.NSQD(t, embednsq.NSQDConfig{}), fixture.FreeAddr(t)
	cluster := nsqpubsub.Cluster{NSQD: []string{gone, healthy.TCPAddr()}}
	p := mustProducer(t, nsqpubsub.ProducerConfig{Cluster: cluster})
	c := mustRun(t, nsqpubsub.ConsumerConfig{Cluster: cluster})
	if err := p.PublishTo(t.Context(), gone, "t", []byte("x")); err == nil {
		t.Error("PublishTo a stopped nsqd returned no error")
	}
	if err := p.PublishTo(t.Context(), fixture.FreeAddr(t), "t", []byte("x")); !errors.Is(err, nsqpubsub.ErrNoNSQD) {
		t.Errorf("unknown nsqd: got %v, want ErrNoNSQD", err)
	}
	mustPublish(t, p, "last")
	fixture.Eventually(t, 5*time.Second, "the message arrives", func() bool { return c.has("last") })
	if c.has("x") {
		t.Error("another nsqd has the message")
	}
}

func TestPublishToPenalizedNSQD(t *testing.T) {
	n := mustNSQDProcess(t, "")
	p := mustProducer(t, nsqpubsub.ProducerConfig{Cluster: nsqpubsub.Cluster{NSQD: []string{n.TCPAddr()}}, PenaltyTime: time.Hour})
	mustPublish(t, p, "x")
	n.mustStop(t)
	if err := p.Publish(t.Context(), "t", []byte("x")); err == nil || !p.Nodes()[0].Penalized {
		t.Fatalf("got %v, %+v; want it penalized", err, p.Nodes())
	}
	n.mustStart(t)
	fixture.Eventually(t, 5*time.Second, "a message is published", func() bool { return p.PublishTo(t.Context(), n.TCPAddr(), "t", []byte("x")) == nil })
	if !p.Nodes()[0].Penalized {
		t.Error("it is no longer penalized")
	}
}

func TestHungNSQDDoesNotDelayPublishToOthers(t *testing.T) {
	healthy, hung := fixture.NSQD(t, embednsq.NSQDConfig{}), fixture.Silent(t)
	p := mustProducer(t, nsqpubsub.ProducerConfig{Cluster: nsqpubsub.Cluster{NSQD: []string{hung, healthy.TCPAddr()}}})
	if err := p.PublishTo(t.Context(), healthy.TCPAddr(), "t", []byte("x")); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	var waiting sync.WaitGroup
	for range 4 {
		waiting.Go(func() {
			if err := p.PublishTo(context.Background(), hung, "t", []byte("x")); !errors.Is(err, nsqpubsub.ErrTimeout) {
				t.Errorf("hung nsqd: got %v, want ErrTimeout", err)
			}
			if took := time.Since(start); took < time.Second || took > 2*time.Second {
				t.Errorf("hung nsqd: took %v, want PublishTimeout", took)
			}
		})
	}
	if err := p.PublishTo(t.Context(), healthy.TCPAddr(), "t", []byte("x")); err != nil {
		t.Error(err)
	}
	if took := time.Since(start); took > 500*time.Millisecond {
		t.Errorf("healthy nsqd: took %v", took)
	}
	waiting.Wait()
}

func TestPublishToErrors(t *testing.T) {
	hung := fixture.Silent(t)
	p := mustProducer(t, nsqpubsub.ProducerConfig{Cluster: nsqpubsub.Cluster{NSQD: []string{hung}}})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := p.PublishTo(ctx, hung, "t", []byte("x")); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want the context's error", err)
	}
	if err := p.PublishTo(t.Context(), hung, "t", nil); !errors.Is(err, nsqpubsub.ErrEmpty) {
		t.Errorf("empty body: got %v, want ErrEmpty", err)
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	if err := p.PublishTo(t.Context(), hung, "t", []byte("x")); !errors.Is(err, nsqpubsub.ErrClosed) {
		t.Errorf("after Close: got %v, want ErrClosed", err)
	}
}
