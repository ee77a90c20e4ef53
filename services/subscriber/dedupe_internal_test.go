package subscriber

import (
	"fmt"
	"testing"
	"time"

	"rollcall/events"
)

func mustEvent(t testing.TB, typ events.Type, ordinal uint64, at int64) events.Event {
	t.Helper()
	server := events.Server{Service: "data", ID: "s1", Incarnation: 7}
	e, known := events.New(typ, events.Transition{
		ID:     events.EventID(typ, server.Service, server.ID, server.Incarnation, ordinal, 0),
		Time:   time.Unix(at, 0),
		Server: server,
	})
	if !known {
		t.Fatalf("no such type: %s", typ)
	}
	return e
}

func TestHandledKeepsTheLatestIDs(t *testing.T) {
	const limit = 3
	h := newHandled(limit)
	event := func(i int) events.Event { return mustEvent(t, events.TypeUpdated, uint64(i), 0) }
	for last := range 10 {
		h.add(event(last))
		h.add(event(last))
		for i := range 10 {
			if got, want := h.has(event(i).Details()), i <= last && i > last-limit; got != want {
				t.Errorf("after event %d: has(%d) is %v, want %v", last, i, got, want)
			}
		}
	}
	if len(h.ids) != limit || len(h.until) != limit {
		t.Errorf("%d and %d ids are stored, want %d", len(h.ids), len(h.until), limit)
	}
}

func TestHandledAllowsAServerToReturn(t *testing.T) {
	for _, end := range []events.Type{events.TypeExpired, events.TypeLeft, events.TypeReplaced} {
		t.Run(fmt.Sprint("after ", end), func(t *testing.T) {
			h := newHandled(10)
			registered := func(at int64) events.Event { return mustEvent(t, events.TypeRegistered, 0, at) }
			h.add(registered(1))
			if !h.has(registered(5).Details()) {
				t.Error("the registration from an API server that started later is not a duplicate")
			}
			h.add(mustEvent(t, end, 42, 10))
			if !h.has(registered(2).Details()) {
				t.Error("the registration that an nsqd delayed is not a duplicate")
			}
			if h.has(registered(20).Details()) {
				t.Error("the server's return with the same event id is a duplicate")
			}
			h.add(registered(20))
			if !h.has(registered(21).Details()) {
				t.Error("the server's return from another API server is not a duplicate")
			}
			if len(h.ids) != 2 {
				t.Errorf("%d ids are stored, want 2", len(h.ids))
			}
		})
	}
}
