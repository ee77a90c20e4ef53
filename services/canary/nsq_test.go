package canary_test

import (
	"bytes"
	"context"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"rollcall/events"
	"rollcall/pipeline/nsqpubsub"
	"rollcall/services/canary"
	"rollcall/services/embednsq"
)

func mustNSQD(t *testing.T) string {
	t.Helper()
	n, err := embednsq.StartNSQD(embednsq.NSQDConfig{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = n.Stop() })
	return n.TCPAddr()
}

// received holds the canaries that a consumer received.
type received struct {
	mu    sync.Mutex
	times map[string][]time.Time // when they were sent, by nsqd
}

func (h *received) through(nsqd string) []time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.times[nsqd]
}

// mustReceive runs a Sender and a consumer of these nsqd.
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

// eventually polls until ok holds.
func eventually(t *testing.T, limit time.Duration, ok func() bool) {
	t.Helper()
	start := time.Now()
	poll := time.NewTicker(5 * time.Millisecond)
	defer poll.Stop()
	for !ok() {
		if (<-poll.C).Sub(start) > limit {
			t.Fatalf("not so within %v", limit)
		}
	}
}

func TestCanariesReturnThroughEachNSQD(t *testing.T) {
	a, b := mustNSQD(t), mustNSQD(t)
	h := mustReceive(t, canary.Config{Reconnect: func(nsqd string) { t.Errorf("reconnected %s", nsqd) }}, a, b)
	for _, addr := range []string{a, b} {
		eventually(t, 20*time.Second, func() bool { return len(h.through(addr)) >= 3 })
		times := h.through(addr)
		for i, sent := range times[1:] {
			if gap := sent.Sub(times[i]); gap < 500*time.Millisecond {
				t.Errorf("%s: %v between two canaries, want a second", addr, gap)
			}
		}
	}
}

func TestConnectionThatDeliversNothingIsRebuilt(t *testing.T) {
	healthy := mustNSQD(t)
	p := mustMuteProxy(t, mustNSQD(t))
	reconnects := make(chan string, 100)
	h := mustReceive(t, canary.Config{
		Interval: 200 * time.Millisecond, Silence: 2 * time.Second, Reconnect: func(nsqd string) { reconnects <- nsqd },
	}, healthy, p.addr)
	eventually(t, 10*time.Second, func() bool { return len(h.through(p.addr)) > 0 })
	p.mute()
	muted := time.Now()
	select {
	case nsqd := <-reconnects:
		if nsqd != p.addr {
			t.Errorf("reconnected %s, want %s", nsqd, p.addr)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("no reconnect within 20s")
	}
	after := time.Now()
	if took := after.Sub(muted); took < 1500*time.Millisecond {
		t.Errorf("reconnected after %v, want it after Config.Silence", took)
	}
	eventually(t, 10*time.Second, func() bool {
		times := h.through(p.addr)
		return times[len(times)-1].After(after)
	})
}

// muteProxy is a TCP proxy for one nsqd. After mute, existing connections that subscribed deliver nothing more; connections
// that publish, and new connections, still work.
type muteProxy struct {
	addr   string
	target string

	mu    sync.Mutex
	pipes []*pipe
}

type pipe struct {
	client, nsqd      net.Conn
	subscribes, muted atomic.Bool
}

func mustMuteProxy(t *testing.T, target string) *muteProxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &muteProxy{addr: l.Addr().String(), target: target}
	var running sync.WaitGroup
	running.Go(func() { p.accept(l, &running) })
	t.Cleanup(func() {
		_ = l.Close()
		p.mu.Lock()
		for _, c := range p.pipes {
			_ = c.client.Close()
			_ = c.nsqd.Close()
		}
		p.mu.Unlock()
		running.Wait()
	})
	return p
}

func (p *muteProxy) accept(l net.Listener, running *sync.WaitGroup) {
	for {
		client, err := l.Accept()
		if err != nil {
			return
		}
		nsqd, err := net.Dial("tcp", p.target)
		if err != nil {
			_ = client.Close()
			continue
		}
		c := &pipe{client: client, nsqd: nsqd}
		p.mu.Lock()
		p.pipes = append(p.pipes, c)
		p.mu.Unlock()
		running.Go(func() {
			relay(client, nsqd, func(b []byte) bool {
				if bytes.Contains(b, []byte("SUB ")) {
					c.subscribes.Store(true)
				}
				return true
			})
		})
		running.Go(func() { relay(nsqd, client, func([]byte) bool { return !c.muted.Load() }) })
	}
}

// relay copies the data for which pass returns true.
func relay(from, to net.Conn, pass func([]byte) bool) {
	defer to.Close()
	buf := make([]byte, 4096)
	for {
		n, err := from.Read(buf)
		if err == nil && pass(buf[:n]) {
			_, err = to.Write(buf[:n])
		}
		if err != nil {
			return
		}
	}
}

func (p *muteProxy) mute() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.pipes {
		c.muted.Store(c.subscribes.Load())
	}
}
