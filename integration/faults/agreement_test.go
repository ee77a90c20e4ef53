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

// Two API servers publish events about the same deaths. Both give the event about a death the same id, so a subscriber handles each death
// once. Their events differ only in the observer.
func TestAPIServersEmitEqualEventIDs(t *testing.T) {
	t.Parallel()
	s := harness.NewSite(t, 2)
	one, two := s.StartAPI("api-1"), s.StartAPI("api-2")
	published := startPublishedEvents(t, s.NSQDAddrs()...)
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
	fixture.Sleep(2 * time.Second) // until the events of the second API server have arrived too
	differ := 0
	for _, id := range ids {
		for _, typ := range []events.Type{events.TypeSuspected, events.TypeExpired} {
			by := published.idsByObserver(typ, id)
			if !slices.Equal(slices.Sorted(maps.Keys(by)), []string{"api-1", "api-2"}) {
				t.Errorf("%s of %s was published by %v, want both API servers", typ, id, by)
			}
			if by["api-1"] != by["api-2"] {
				differ++
			}
			if n := len(s.Events.OfServer(typ, id)); n != 1 {
				t.Errorf("a subscriber received %s of %s %d times, want once", typ, id, n)
			}
		}
	}
	harness.AtMost(t, "two API servers: events with different ids", differ, 0)
	s.NoFalseExpiries("two API servers", one, two)
}

// publishedEvents keeps the id of every published event, by type, server and observer. Unlike subscriber.Subscriber, publishedEvents drops
// no duplicates.
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
	harness.Run(tb, "published events", func(ctx context.Context) error {
		return consumer.Run(ctx, func(_ context.Context, d *nsqpubsub.Delivery) error {
			e, err := events.Decode(d.Body)
			if err != nil {
				tb.Errorf("decode an event: %v", err)
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
