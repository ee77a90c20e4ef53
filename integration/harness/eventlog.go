package harness

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"rollcall/events"
	"rollcall/integration/fixture"
	"rollcall/pipeline/nsqpubsub"
	"rollcall/services/subscriber"
)

// EventLog keeps every lifecycle event with when it came, and knows which servers are really dead, because the test
// tells it before it ends one.
type EventLog struct {
	mu     sync.Mutex
	logged []LoggedEvent
	dead   map[string]time.Time
	born   map[string]time.Time // of those that were dead, and live again: what came before is forgotten
	more   chan struct{}        // closed and renewed with each event
}

type LoggedEvent struct {
	events.Event
	At time.Time
}

func (s LoggedEvent) ServerID() string { return s.Details().Server.ID }

// startEventLog returns when it hears each of these nsqd.
func startEventLog(tb testing.TB, nsqd ...string) *EventLog {
	tb.Helper()
	w := NewEventLog()
	sub, err := subscriber.New(subscriber.Config{NSQ: nsqpubsub.Cluster{NSQD: nsqd}})
	fixture.Must(tb, err)
	Run(tb, "witness", func(ctx context.Context) error { return sub.Run(ctx, w.Record) })
	fixture.Eventually(tb, 5*time.Second, "the witness hears every nsqd", func() bool {
		return len(sub.Nodes()) == len(nsqd) &&
			!slices.ContainsFunc(sub.Nodes(), func(n nsqpubsub.ConsumerNode) bool { return !n.Connected })
	})
	return w
}

// NewEventLog hears nothing: note is to tell it.
func NewEventLog() *EventLog {
	return &EventLog{dead: make(map[string]time.Time), born: make(map[string]time.Time), more: make(chan struct{})}
}

func (w *EventLog) Record(_ context.Context, e events.Event) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.logged = append(w.logged, LoggedEvent{e, time.Now()})
	close(w.more)
	w.more = make(chan struct{})
	return nil
}

// MarkDead says that these servers end now, and returns when that is.
func (w *EventLog) MarkDead(ids ...string) time.Time {
	now := time.Now()
	w.MarkDeadAt(now, ids...)
	return now
}

// MarkDeadAt says when these servers ended, if that is known better than it was before.
func (w *EventLog) MarkDeadAt(at time.Time, ids ...string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, id := range ids {
		w.dead[id] = at
	}
}

// MarkAlive says that these servers live again. What was told of their end has been judged.
func (w *EventLog) MarkAlive(ids ...string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, id := range ids {
		delete(w.dead, id)
		w.born[id] = time.Now()
	}
}

// Matching returns the events so far that satisfy is.
func (w *EventLog) Matching(is func(LoggedEvent) bool) []LoggedEvent {
	w.mu.Lock()
	defer w.mu.Unlock()
	var found []LoggedEvent
	for _, s := range w.logged {
		if is(s) && s.At.After(w.born[s.ServerID()]) {
			found = append(found, s)
		}
	}
	return found
}

func (w *EventLog) OfServer(typ events.Type, id string) []LoggedEvent {
	return w.Matching(func(s LoggedEvent) bool { return s.Type() == typ && s.ServerID() == id })
}

// Await returns the first event of this type and server; the second value is false if it does not come in time.
func (w *EventLog) Await(within time.Duration, typ events.Type, id string) (LoggedEvent, bool) {
	late := time.After(within)
	for {
		w.mu.Lock()
		more := w.more
		w.mu.Unlock()
		if found := w.OfServer(typ, id); len(found) > 0 {
			return found[0], true
		}
		select {
		case <-more:
		case <-late:
			return LoggedEvent{}, false
		}
	}
}

// DelaysOf returns for each of the servers the time from its end to the event of this type.
func (w *EventLog) DelaysOf(tb testing.TB, within time.Duration, typ events.Type, ids []string) []time.Duration {
	tb.Helper()
	var delays []time.Duration
	deadline := time.Now().Add(within)
	for _, id := range ids {
		s, ok := w.Await(time.Until(deadline), typ, id)
		if !ok {
			tb.Errorf("no %s of %s within %v", typ, id, within)
			continue
		}
		w.mu.Lock()
		delays = append(delays, s.At.Sub(w.dead[id]))
		w.mu.Unlock()
	}
	return delays
}

// FalseExpiries are the expired events of servers that were alive.
func (w *EventLog) FalseExpiries() []string {
	var ids []string
	for _, s := range w.Matching(func(s LoggedEvent) bool { return s.Type() == events.TypeExpired }) {
		w.mu.Lock()
		died, dead := w.dead[s.ServerID()]
		w.mu.Unlock()
		if !dead || s.Details().Time.Before(died.Add(-time.Millisecond)) { // an event's time is cut to it
			ids = append(ids, s.ServerID())
		}
	}
	return ids
}

// NoFalseExpiries is the row that every fault has: no server that is alive expired. Beside the events it asks the API
// servers themselves, since what nobody could publish or hear was decided all the same.
func (w *EventLog) NoFalseExpiries(tb testing.TB, what string, apis ...*API) {
	tb.Helper()
	w.mu.Lock()
	dead := len(w.dead) + len(w.born)
	w.mu.Unlock()
	wrong := len(w.FalseExpiries())
	for _, a := range apis {
		wrong = max(wrong, a.Expired(tb)-dead)
	}
	AtMost(tb, what+": servers expired that were alive", wrong, 0)
	if wrong > 0 {
		tb.Log(fmt.Sprint(w.FalseExpiries()))
	}
}
