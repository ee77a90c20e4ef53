package faults

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"rollcall/events"
	"rollcall/integration/fixture"
	"rollcall/integration/harness"
	"rollcall/pipeline/nsqpubsub"
)

// TestTwoAPIServersTellTheSame compares what two API servers tell of the same deaths: each says who it is, and the ids
// are the same, so that a subscriber hears of each once.
func TestTwoAPIServersTellTheSame(t *testing.T) {
	t.Parallel()
	s := harness.NewSite(t, 2)
	one, two := s.StartAPI("api-1"), s.StartAPI("api-2")
	told := startPublishedEvents(t, s.NSQDAddrs()...)
	ids, servers := s.StartDataServers("victim", 4)
	s.StartFleet("fleet", fleetSize)
	s.AwaitNormal(one)
	s.AwaitNormal(two)
	for i, server := range servers {
		s.Events.MarkDead(ids[i])
		server.Kill()
		fixture.Sleep(300 * time.Millisecond)
	}
	s.Events.DelaysOf(t, 15*time.Second, events.TypeExpired, ids)
	fixture.Sleep(2 * time.Second) // the second one's
	differ := 0
	for _, id := range ids {
		for _, typ := range []events.Type{events.TypeSuspected, events.TypeExpired} {
			by := told.idsByObserver(typ, id)
			if !slices.Equal(slices.Sorted(maps.Keys(by)), []string{"api-1", "api-2"}) {
				t.Errorf("%s of %s is told by %v, want each API server", typ, id, by)
			}
			if by["api-1"] != by["api-2"] {
				differ++
			}
			if n := len(s.Events.OfServer(typ, id)); n != 1 {
				t.Errorf("a subscriber hears of %s of %s %d times, want once", typ, id, n)
			}
		}
	}
	harness.AtMost(t, "two API servers: transitions with two ids", differ, 0)
	s.NoFalseExpiries("two API servers", one, two)
}

// publishedEvents is every event as it is published, with nothing folded: its id by type, server and observer.
type publishedEvents struct {
	mu  sync.Mutex
	ids map[string]map[string]string
}

func (h *publishedEvents) idsByObserver(typ events.Type, server string) map[string]string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return maps.Clone(h.ids[fmt.Sprint(typ, server)])
}

func startPublishedEvents(tb testing.TB, nsqd ...string) *publishedEvents {
	tb.Helper()
	h := &publishedEvents{ids: make(map[string]map[string]string)}
	consumer, err := nsqpubsub.NewConsumer(nsqpubsub.ConsumerConfig{
		Cluster: nsqpubsub.Cluster{NSQD: nsqd}, Topic: events.EventTopic, Channel: "test#ephemeral",
	})
	fixture.Must(tb, err)
	harness.Run(tb, "hearsay", func(ctx context.Context) error {
		return consumer.Run(ctx, func(_ context.Context, d *nsqpubsub.Delivery) error {
			e, err := events.Decode(d.Body)
			if err != nil {
				tb.Errorf("an event cannot be read: %v", err)
				return nil
			}
			t := e.Details()
			key := fmt.Sprint(e.Type(), t.Server.ID)
			h.mu.Lock()
			defer h.mu.Unlock()
			if h.ids[key] == nil {
				h.ids[key] = make(map[string]string)
			}
			h.ids[key][t.Observer] = t.ID
			return nil
		})
	})
	return h
}
