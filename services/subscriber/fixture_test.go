package subscriber_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/nsqio/nsq/nsqd"
	"go.uber.org/goleak"

	"rollcall/events"
	"rollcall/integration/fixture"
	"rollcall/pipeline/nsqpubsub"
	"rollcall/services/embednsq"
	"rollcall/services/subscriber"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, fixture.LeakOptions()...)
}

const patience = 10 * time.Second

// mustNSQD starts an nsqd that soon requeues messages of a new channel. By default nsqd does so only after its next scan
// for channels, every 5 s.
func mustNSQD(t testing.TB, cfg embednsq.NSQDConfig) *embednsq.NSQD {
	t.Helper()
	cfg.Tune = func(o *nsqd.Options) {
		o.QueueScanInterval, o.QueueScanRefreshInterval = 10*time.Millisecond, 20*time.Millisecond
	}
	return fixture.NSQD(t, cfg)
}

func mustProducer(t testing.TB, cluster nsqpubsub.Cluster) *nsqpubsub.Producer {
	t.Helper()
	p, err := nsqpubsub.NewProducer(nsqpubsub.ProducerConfig{Cluster: cluster})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p
}

func mustPublish(t testing.TB, p *nsqpubsub.Producer, body []byte) {
	t.Helper()
	if err := p.Publish(t.Context(), events.EventTopic, body); err != nil {
		t.Fatal(err)
	}
}

// mustEvent returns an event of the type typ about the server whose id is "s" followed by the revision.
func mustEvent(t testing.TB, typ events.Type, observer string, revision uint64) events.Event {
	t.Helper()
	at := time.Unix(1_800_000_000+int64(revision), 0).UTC()
	server := events.Server{
		Service: "data", ID: fmt.Sprint("s", revision), Addr: "10.0.0.7:8080", State: events.StateAlive,
		Incarnation: 1763812345678, Seq: 42, IntervalMS: 5000, TTLMS: 10000, Weight: 100, Zone: "a",
		Tags: []string{"blue"}, Meta: events.NewMeta(map[string]string{"rack": "r7"}), RegisteredAt: at, LastSeen: at,
	}
	e, known := events.New(typ, events.Transition{
		ID: events.EventID(typ, server.Service, server.ID, server.Incarnation, server.Seq, 0), Time: at, Server: server,
		Cause: events.CauseHeartbeat, Revision: revision, LastSeen: at, Observer: observer,
	})
	if !known {
		t.Fatalf("no such type: %s", typ)
	}
	return e
}

func mustEncode(t testing.TB, e events.Event) []byte {
	t.Helper()
	body, err := events.Encode(e)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// running is a subscriber that runs until the test ends, or until it is stopped.
type running struct {
	t      testing.TB
	sub    *subscriber.Subscriber
	events chan events.Event // events that the handler completed
	stop   func()            // stops Run and waits until it has returned
}

// mustRun starts a subscriber whose handler always succeeds.
func mustRun(t testing.TB, cfg subscriber.Config) *running {
	t.Helper()
	return mustRunWith(t, cfg, func(context.Context, events.Event) error { return nil })
}

// mustRunWith starts a subscriber and waits until it is connected to each nsqd in cfg.
func mustRunWith(t testing.TB, cfg subscriber.Config, h subscriber.Handler) *running {
	t.Helper()
	sub, err := subscriber.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{t: t, sub: sub, events: make(chan events.Event, 1000)}
	ended := make(chan error, 1)
	go func() {
		defer close(ended)
		ended <- sub.Run(ctx, func(ctx context.Context, e events.Event) error {
			err := h(ctx, e)
			if err == nil {
				r.events <- e
			}
			return err
		})
	}()
	r.stop = func() {
		cancel()
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("Run: %v", err)
			}
		case <-time.After(patience):
			t.Error("Run does not return")
		}
	}
	t.Cleanup(r.stop)
	r.awaitConnected(max(1, len(cfg.NSQ.NSQD)))
	return r
}

func (r *running) awaitConnected(want int) {
	r.t.Helper()
	fixture.Eventually(r.t, patience, "every nsqd is connected", func() bool {
		connected := 0
		for _, n := range r.sub.Nodes() {
			if n.Connected {
				connected++
			}
		}
		return connected >= want
	})
}

// next waits for the next event that the handler completes.
func (r *running) next() events.Event {
	r.t.Helper()
	return receive(r.t, r.events)
}

func (r *running) wantRevisions(want ...uint64) {
	r.t.Helper()
	for _, revision := range want {
		if e := r.next(); e.Details().Revision != revision {
			r.t.Fatalf("got revision %d of %s, want %d of %v", e.Details().Revision, e.Details().Observer, revision, want)
		}
	}
}

func receive[T any](t testing.TB, from <-chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(patience):
		t.Fatalf("no value within %v", patience)
		return *new(T)
	}
}
