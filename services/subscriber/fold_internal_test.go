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

func TestFoldRemembersTheLast(t *testing.T) {
	const limit = 3
	f := newFold(limit)
	event := func(i int) events.Event { return mustEvent(t, events.TypeUpdated, uint64(i), 0) }
	for last := range 10 {
		f.remember(event(last))
		f.remember(event(last))
		for i := range 10 {
			if got, want := f.has(event(i).Details()), i <= last && i > last-limit; got != want {
				t.Errorf("after %d: %d known %v, want %v", last, i, got, want)
			}
		}
	}
	if len(f.ids) != limit || len(f.told) != limit {
		t.Errorf("%d and %d ids are kept, want %d", len(f.ids), len(f.told), limit)
	}
}

func TestFoldOfAServerThatComesBack(t *testing.T) {
	for _, end := range []events.Type{events.TypeExpired, events.TypeLeft, events.TypeReplaced} {
		t.Run(fmt.Sprint("after ", end), func(t *testing.T) {
			f := newFold(10)
			registered := func(at int64) events.Event { return mustEvent(t, events.TypeRegistered, 0, at) }
			f.remember(registered(1))
			if !f.has(registered(5).Details()) {
				t.Error("the registration told by an API server that starts later is taken for news")
			}
			f.remember(mustEvent(t, end, 42, 10))
			if !f.has(registered(2).Details()) {
				t.Error("the registration held back by an nsqd is taken for news")
			}
			if f.has(registered(20).Details()) {
				t.Error("its return under the same id is folded")
			}
			f.remember(registered(20))
			if !f.has(registered(21).Details()) {
				t.Error("its return told by another API server is taken for news")
			}
			if len(f.ids) != 2 {
				t.Errorf("%d ids are kept, want 2", len(f.ids))
			}
		})
	}
}
