package canary_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"rollcall/events"
	"rollcall/integration/fixture"
	"rollcall/pipeline/nsqpubsub"
	"rollcall/services/canary"
	"rollcall/services/embednsq"
)

// received holds the canaries that a consumer received.
type received struct {
	mu    sync.Mutex
	times map[string][]time.Time // when the canaries were sent, by address of the nsqd
}

func (h *received) through(nsqd string) []time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.times[nsqd]
}

// mustReceive runs a Sender and a consumer, which both use the nsqd at addrs, and returns the canaries that the consumer
// receives.
func mustReceive(t *testing.T, cfg canary.Config, addrs ...string) *received {
	t.Helper()
	h := &received{times: make(map[string][]time.Time)}
	cluster := nsqpubsub.Cluster{NSQD: addrs}
	consumer, err := nsqpubsub.NewConsumer(nsqpubsub.ConsumerConfig{Cluster: cluster, Topic: topic, Channel: "api-1#ephemeral"})
	if err != nil {
		t.Fatal(err)
	}
	producer, err := nsqpubsub.NewProducer(nsqpubsub.ProducerConfig{Cluster: cluster})
	if err != nil {
		t.Fatal(err)
	}
	started := time.Now()
	cfg.ID, cfg.Started, cfg.Topic, cfg.Publisher, cfg.Nodes = "api-1", started, topic, producer, consumer.Nodes
	reconnect := cfg.Reconnect
	cfg.Reconnect = func(nsqd string) {
		reconnect(nsqd)
		consumer.Reconnect(nsqd)
	}
	sender, err := canary.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = sender.Run(ctx) })
	running.Go(func() {
		_ = consumer.Run(ctx, func(_ context.Context, d *nsqpubsub.Delivery) error {
			beat, err := events.DecodeHeartbeat(d.Body)
			if err != nil {
				t.Error(err)
			}
			sent, own := beat.CanarySent("api-1", started)
			if !own {
				t.Errorf("canary of another process: %s", d.Body)
			}
			h.mu.Lock()
			defer h.mu.Unlock()
			h.times[d.NSQD] = append(h.times[d.NSQD], sent)
			return nil
		})
	})
	t.Cleanup(func() {
		cancel()
		running.Wait()
		_ = producer.Close()
	})
	return h
}

func TestCanariesReturnThroughEachNSQD(t *testing.T) {
	a, b := fixture.NSQD(t, embednsq.NSQDConfig{}).TCPAddr(), fixture.NSQD(t, embednsq.NSQDConfig{}).TCPAddr()
	h := mustReceive(t, canary.Config{Reconnect: func(nsqd string) { t.Errorf("reconnected %s", nsqd) }}, a, b)
	for _, addr := range []string{a, b} {
		fixture.Eventually(t, 20*time.Second, "three canaries through "+addr, func() bool { return len(h.through(addr)) >= 3 })
		times := h.through(addr)
		for i, sent := range times[1:] {
			if gap := sent.Sub(times[i]); gap < 500*time.Millisecond {
				t.Errorf("%s: %v between two canaries, want a second", addr, gap)
			}
		}
	}
}

func TestConnectionThatDeliversNothingIsRebuilt(t *testing.T) {
	healthy := fixture.NSQD(t, embednsq.NSQDConfig{}).TCPAddr()
	p := fixture.NewLink(t, fixture.NSQD(t, embednsq.NSQDConfig{}).TCPAddr())
	reconnects := make(chan string, 100)
	h := mustReceive(t, canary.Config{
		Interval: 200 * time.Millisecond, Silence: 2 * time.Second, Reconnect: func(nsqd string) { reconnects <- nsqd },
	}, healthy, p.Addr)
	fixture.Eventually(t, 10*time.Second, "a canary", func() bool { return len(h.through(p.Addr)) > 0 })
	// From now on, the present connection of the consumer delivers nothing. New connections work, and so do connections for
	// publishing.
	p.SilenceIf(fixture.ToClient, func(sent string) bool { return strings.Contains(sent, "SUB ") })
	muted := time.Now()
	select {
	case nsqd := <-reconnects:
		if nsqd != p.Addr {
			t.Errorf("reconnected %s, want %s", nsqd, p.Addr)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("no reconnect within 20s")
	}
	after := time.Now()
	if took := after.Sub(muted); took < 1500*time.Millisecond {
		t.Errorf("reconnected after %v, want it after Config.Silence", took)
	}
	fixture.Eventually(t, 10*time.Second, "a canary after the reconnect", func() bool {
		times := h.through(p.Addr)
		return times[len(times)-1].After(after)
	})
}
