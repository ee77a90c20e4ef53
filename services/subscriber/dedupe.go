package subscriber

import (
	"time"

	"rollcall/events"
)

// handled holds the ids of the events that the handler processed last, at most max of them.
type handled struct {
	max    int
	until  map[string]time.Time // by event id: events with the id are duplicates up to this time; at any time if it is zero
	ids    []string             // in the order of handling, as a ring once it is full
	oldest int                  // index of the oldest id in a full ring
}

func newHandled(limit int) handled { return handled{max: limit, until: make(map[string]time.Time)} }

// has reports whether the event was handled.
func (h *handled) has(t events.Transition) bool {
	until, known := h.until[t.ID]
	return known && (until.IsZero() || !t.Time.After(until))
}

// add stores the id of a handled event.
func (h *handled) add(e events.Event) {
	t := e.Details()
	if _, known := h.until[t.ID]; !known {
		h.push(t.ID)
	}
	h.until[t.ID] = time.Time{}
	switch e.(type) {
	case events.ServerExpired, events.ServerLeft, events.ServerReplaced:
		h.allowReturn(t)
	}
}

// allowReturn accepts a later registration of a server that has expired, left or been replaced. All API servers give the
// first registration of an incarnation the same id. If the server returns, an API server that started after the end of the
// server, or has forgotten the server, emits a registration with that id again.
func (h *handled) allowReturn(t events.Transition) {
	first := events.EventID(events.TypeRegistered, t.Server.Service, t.Server.ID, t.Server.Incarnation, 0, 0)
	if _, known := h.until[first]; known {
		h.until[first] = t.Time
	}
}

func (h *handled) push(id string) {
	if len(h.ids) < h.max {
		h.ids = append(h.ids, id)
		return
	}
	delete(h.until, h.ids[h.oldest])
	h.ids[h.oldest] = id
	h.oldest = (h.oldest + 1) % h.max
}
