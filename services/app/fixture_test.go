package app_test

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"

	"rollcall/events"
	"rollcall/pipeline/nsqpubsub"
	"rollcall/services/app"
	"rollcall/services/config"
	"rollcall/services/registry"
)

// quick configures an API server that is ready after 200 ms.
func quick(nsqd string) config.Config {
	cfg := config.Default()
	cfg.ID = "api-1"
	cfg.NSQ.Lookupd, cfg.NSQ.NSQD = nil, []string{nsqd}
	cfg.Registry.Interval, cfg.Registry.TTL, cfg.Registry.Tick = 200*time.Millisecond, 400*time.Millisecond, 20*time.Millisecond
	cfg.API.Listen, cfg.Proxy.Listen = "127.0.0.1:0", "off"
	return cfg
}

// running is an API server whose Run is executing.
type running struct {
	*app.APIServer
	t    testing.TB
	stop func() error // ends Run and waits for it
}

func mustRun(t testing.TB, cfg config.Config) *running {
	t.Helper()
	return mustRunLogging(t, cfg, zap.NewNop())
}

func mustRunLogging(t testing.TB, cfg config.Config, log *zap.Logger) *running {
	t.Helper()
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	a, err := app.ListenAPIServer(cfg, log)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() { ran <- a.Run(ctx) }()
	r := &running{APIServer: a, t: t, stop: sync.OnceValue(func() error {
		cancel()
		return <-ran
	})}
	t.Cleanup(func() { _ = r.stop() }) // a test that checks the error calls stop itself
	return r
}

// observe passes a heartbeat or leave to the registry, without NSQ.
func (r *running) observe(kind events.Kind, server int, seq uint64) {
	r.t.Helper()
	now := time.Now()
	h := &events.Heartbeat{
		V: 1, Type: kind, Service: "data", ID: fmt.Sprint("s", server), Addr: fmt.Sprint("10.0.0.7:", 1000+server), Incarnation: 1, Seq: seq,
		IntervalMS: 10_000, TTLMS: 60_000, Weight: 100,
	}
	if err := r.Registry().Observe(r.t.Context(), h, events.Receipt{PublishedAt: now, ReceivedAt: now}); err != nil {
		r.t.Fatal(err)
	}
}

func (r *running) stats() registry.Stats {
	r.t.Helper()
	s, err := r.Registry().Stats(r.t.Context())
	if err != nil {
		r.t.Fatal(err)
	}
	return s
}

func (r *running) servers() []*events.Server {
	r.t.Helper()
	s, err := r.Registry().Members(r.t.Context())
	if err != nil {
		r.t.Fatal(err)
	}
	return s.Select(registry.Query{})
}

// ears records the messages of a topic in order.
type ears struct {
	mu     sync.Mutex
	bodies [][]byte
}

// mustListen consumes a topic of one nsqd, in order, until stop is called or the test ends.
func mustListen(t testing.TB, nsqd, topic string) (e *ears, stop func()) {
	t.Helper()
	return mustListenWith(t, nsqd, topic, 1)
}

// mustListenWith is like mustListen for a consumer with more messages in flight, which is faster and keeps no order.
func mustListenWith(t testing.TB, nsqd, topic string, inFlight int) (e *ears, stop func()) {
	t.Helper()
	c, err := nsqpubsub.NewConsumer(nsqpubsub.ConsumerConfig{
		Cluster: nsqpubsub.Cluster{NSQD: []string{nsqd}}, Topic: topic, Channel: "test#ephemeral", MaxInFlight: inFlight,
	})
	if err != nil {
		t.Fatal(err)
	}
	e = &ears{}
	ctx, cancel := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() { ran <- c.Run(ctx, e.hear) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ran; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return e, stop
}

func (e *ears) hear(_ context.Context, d *nsqpubsub.Delivery) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.bodies = append(e.bodies, d.Body)
	return nil
}

func (e *ears) heard() [][]byte {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.bodies)
}

func (e *ears) len() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.bodies)
}

// revisions returns the revisions of the received events, in the order in which each arrived first: a batch of events that fails is
// published again.
func (e *ears) revisions(t testing.TB) []uint64 {
	t.Helper()
	var all []uint64
	seen := make(map[uint64]bool)
	for _, body := range e.heard() {
		event, err := events.Decode(body)
		if err != nil {
			t.Fatal(err)
		}
		if revision := event.Details().Revision; !seen[revision] {
			seen[revision] = true
			all = append(all, revision)
		}
	}
	return all
}

func upTo(n uint64) []uint64 {
	all := make([]uint64, n)
	for i := range all {
		all[i] = uint64(i + 1)
	}
	return all
}

func mustPublish(t testing.TB, nsqd, topic, body string) {
	t.Helper()
	p, err := nsqpubsub.NewProducer(nsqpubsub.ProducerConfig{Cluster: nsqpubsub.Cluster{NSQD: []string{nsqd}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Publish(t.Context(), topic, []byte(body)); err != nil {
		t.Error(err)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
}

// output is a buffer that is safe for concurrent use.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}
