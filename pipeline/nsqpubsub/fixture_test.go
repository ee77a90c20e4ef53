package nsqpubsub_test

import (
	"cmp"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"rollcall/pipeline/nsqpubsub"
	"rollcall/services/embednsq"
)

func mustNSQD(t testing.TB, cfg embednsq.NSQDConfig) *embednsq.NSQD {
	t.Helper()
	n, err := embednsq.StartNSQD(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = n.Stop() })
	return n
}

func mustLookupd(t testing.TB) *embednsq.Lookupd {
	t.Helper()
	l, err := embednsq.StartLookupd(embednsq.LookupdConfig{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Stop() })
	return l
}

func mustPublisher(t testing.TB, cfg nsqpubsub.PublisherConfig) *nsqpubsub.Publisher {
	t.Helper()
	p, err := nsqpubsub.NewPublisher(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p
}

func mustSubscriber(t testing.TB, cfg nsqpubsub.SubscriberConfig) *nsqpubsub.Subscriber {
	t.Helper()
	s, err := nsqpubsub.NewSubscriber(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func mustProducer(t testing.TB, cfg nsqpubsub.ProducerConfig) *nsqpubsub.Producer {
	t.Helper()
	p, err := nsqpubsub.NewProducer(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p
}

func mustPublish(t testing.TB, p *nsqpubsub.Producer, body string) {
	t.Helper()
	if err := p.Publish(t.Context(), "t", []byte(body)); err != nil {
		t.Fatal(err)
	}
}

// running is a consumer under Run, and what it has received.
type running struct {
	*nsqpubsub.Consumer
	stop func() error // ends Run and waits for it

	mu     sync.Mutex
	bodies []string
}

// mustRun runs a consumer of topic t, on channel c by default.
func mustRun(t testing.TB, cfg nsqpubsub.ConsumerConfig) *running {
	t.Helper()
	cfg.Topic, cfg.Channel = "t", cmp.Or(cfg.Channel, "c")
	c, err := nsqpubsub.NewConsumer(cfg)
	if err != nil {
		t.Fatal(err)
	}
	r := &running{Consumer: c}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx, r.receive) }()
	r.stop = sync.OnceValue(func() error {
		cancel()
		return <-ended
	})
	t.Cleanup(func() {
		if err := r.stop(); err != nil {
			t.Error(err)
		}
	})
	return r
}

func (r *running) receive(_ context.Context, d *nsqpubsub.Delivery) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.bodies = append(r.bodies, string(d.Body))
	return nil
}

func (r *running) has(body string) bool { return r.count(body) > 0 }

func (r *running) count(body string) (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, b := range r.bodies {
		if b == body {
			n++
		}
	}
	return n
}

func (r *running) connected(addr string) bool {
	for _, n := range r.Nodes() {
		if n.Address == addr {
			return n.Connected
		}
	}
	return false
}

// mustBlackHole returns the address of an nsqd that accepts and never answers.
func mustBlackHole(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var conns []net.Conn
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			conns = append(conns, conn)
			mu.Unlock()
		}
	}()
	t.Cleanup(func() {
		_ = l.Close()
		mu.Lock()
		defer mu.Unlock()
		for _, c := range conns {
			_ = c.Close()
		}
	})
	return l.Addr().String()
}

// deadAddress is one that refuses connections.
func deadAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	return l.Addr().String()
}

func awaitNodes(t testing.TB, l *embednsq.Lookupd, want int) {
	t.Helper()
	eventually(t, 5*time.Second, func() bool {
		var answer struct {
			Producers []json.RawMessage `json:"producers"`
		}
		if err := json.Unmarshal([]byte(mustGet(t, l.HTTPAddr(), "/nodes")), &answer); err != nil {
			t.Fatal(err)
		}
		return len(answer.Producers) == want
	})
}

func mustGet(t testing.TB, addr, path string) string {
	t.Helper()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get("http://" + addr + path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// eventually polls until ok holds and returns how long that took.
func eventually(t testing.TB, limit time.Duration, ok func() bool) time.Duration {
	t.Helper()
	start := time.Now()
	poll := time.NewTicker(5 * time.Millisecond)
	defer poll.Stop()
	for !ok() {
		if (<-poll.C).Sub(start) > limit {
			t.Fatalf("not so within %v", limit)
		}
	}
	return time.Since(start)
}
