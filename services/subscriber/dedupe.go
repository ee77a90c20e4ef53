package subscriber

import (
	"time"

	"rollcall/events"
)

// handled holds the ids of the events that the handler processed last, at most max of them.
type handled struct {
	max    int
	until  map[string]time.Time // for each event id: events with this id are duplicates up to this time, or at any time if it is zero
	ids    []string             // the ids in the order of handling; a ring once there are max of them
	oldest int                  // index of the oldest id in a full ring
}

func newHandled(limit int) handled { return handled{max: limit, until: make(map[string]time.Time)} }

// has reports whether the handler has already processed the event.
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

// allowReturn makes sure that a later registration of a server does not count as a duplicate after the server has expired,
// left or been replaced. All API servers give the first registration of an incarnation the same id. If the server returns, an
// API server that started after the end of the server, or has forgotten the server, emits a registration with that id again.
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
