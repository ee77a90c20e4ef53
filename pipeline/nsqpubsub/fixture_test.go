package nsqpubsub_test

import (
	"cmp"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"sync"
	"testing"
	"time"

	"rollcall/integration/fixture"
	"rollcall/pipeline/nsqpubsub"
	"rollcall/services/embednsq"
)

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

// running is a Consumer whose Run was called, with the bodies of the messages that it has received.
type running struct {
	*nsqpubsub.Consumer
	stop func() error // ends Run and waits until it has returned

	mu     sync.Mutex
	bodies []string
}

// mustRun runs a consumer of the topic "t" until the test ends. The default channel is "c".
func mustRun(t testing.TB, cfg nsqpubsub.ConsumerConfig) *running {
	t.Helper()
	cfg.Topic, cfg.Channel = "t", cmp.Or(cfg.Channel, "c")
	c, err := nsqpubsub.NewConsumer(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return run(t, c)
}

func run(t testing.TB, c *nsqpubsub.Consumer) *running {
	t.Helper()
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

func (r *running) len() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.bodies)
}

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

func awaitNodes(t testing.TB, l *embednsq.Lookupd, want int) {
	t.Helper()
	fixture.Eventually(t, 5*time.Second, "nsqlookupd lists the nsqd", func() bool {
		var nodes struct {
			Producers []json.RawMessage `json:"producers"`
		}
		if err := json.Unmarshal([]byte(mustGet(t, l.HTTPAddr(), "/nodes")), &nodes); err != nil {
			t.Fatal(err)
		}
		return len(nodes.Producers) == want
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
