package subscriber

import (
	"time"

	"rollcall/events"
)

// fold remembers the ids of the events last handled, at most max of them.
type fold struct {
	max    int
	told   map[string]time.Time // zero, or until when a telling counts as the one handled
	oldest int                  // in ids, once that is full
	ids    []string             // in the order of their handling
}

func newFold(limit int) fold { return fold{max: limit, told: make(map[string]time.Time)} }

// has reports whether this event was handled.
func (f *fold) has(t events.Transition) bool {
	until, told := f.told[t.ID]
	return told && (until.IsZero() || !t.Time.After(until))
}

// remember keeps the id of an event that was handled.
func (f *fold) remember(e events.Event) {
	t := e.Details()
	if _, known := f.told[t.ID]; !known {
		f.enter(t.ID)
	}
	f.told[t.ID] = time.Time{}
	switch e.(type) {
	case events.ServerExpired, events.ServerLeft, events.ServerReplaced:
		f.reopen(t)
	}
}

// reopen lets a server be registered again that is gone. The first registration of an incarnation has one id,
// whoever tells it and whenever, and an API server that started since, or has forgotten the server's end, takes
// its return for the first registration.
func (f *fold) reopen(t events.Transition) {
	first := events.EventID(events.TypeRegistered, t.Server.Service, t.Server.ID, t.Server.Incarnation, 0, 0)
	if _, known := f.told[first]; known {
		f.told[first] = t.Time
	}
}

func (f *fold) enter(id string) {
	if len(f.ids) < f.max {
		f.ids = append(f.ids, id)
		return
	}
	delete(f.told, f.ids[f.oldest])
	f.ids[f.oldest] = id
	f.oldest = (f.oldest + 1) % f.max
}
