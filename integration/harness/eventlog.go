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

// EventLog keeps every lifecycle event with the time of its arrival. A test marks each server that it stops as dead, so that EventLog can
// recognize a false expiry, which is the expiry of a live server.
type EventLog struct {
	mu     sync.Mutex
	logged []LoggedEvent
	dead   map[string]time.Time // when each dead server stopped, by id
	born   map[string]time.Time // when a server that had died started again, by id; its earlier events do not count
	more   chan struct{}        // closed and replaced at each event
}

// LoggedEvent is an event with the time of its arrival.
type LoggedEvent struct {
	events.Event
	At time.Time
}

// ServerID returns the id of the server that the event is about.
func (e LoggedEvent) ServerID() string { return e.Details().Server.ID }

// startEventLog starts an EventLog, and returns when it is connected to every nsqd.
func startEventLog(tb testing.TB, nsqd ...string) *EventLog {
	tb.Helper()
	l := NewEventLog()
	sub, err := subscriber.New(subscriber.Config{NSQ: nsqpubsub.Cluster{NSQD: nsqd}})
	fixture.Must(tb, err)
	Run(tb, "event log", func(ctx context.Context) error { return sub.Run(ctx, l.Record) })
	fixture.Eventually(tb, 5*time.Second, "the event log is connected to every nsqd", func() bool {
		return len(sub.Nodes()) == len(nsqd) &&
			!slices.ContainsFunc(sub.Nodes(), func(n nsqpubsub.ConsumerNode) bool { return !n.Connected })
	})
	return l
}

// NewEventLog returns an EventLog that subscribes to nothing. The caller passes events to Record.
func NewEventLog() *EventLog {
	return &EventLog{dead: make(map[string]time.Time), born: make(map[string]time.Time), more: make(chan struct{})}
}

// Record adds an event. It is a subscriber.Handler.
func (l *EventLog) Record(_ context.Context, e events.Event) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.logged = append(l.logged, LoggedEvent{e, time.Now()})
	close(l.more)
	l.more = make(chan struct{})
	return nil
}

// MarkDead records that the test is about to stop the given servers, and returns the current time.
func (l *EventLog) MarkDead(ids ...string) time.Time {
	now := time.Now()
	l.MarkDeadAt(now, ids...)
	return now
}

// MarkDeadAt records that the given servers stopped, and when they stopped.
func (l *EventLog) MarkDeadAt(at time.Time, ids ...string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, id := range ids {
		l.dead[id] = at
	}
}

// MarkAlive records that the given servers started again. Their events so far do not count any more.
func (l *EventLog) MarkAlive(ids ...string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, id := range ids {
		delete(l.dead, id)
		l.born[id] = time.Now()
	}
}

// Matching returns the events that satisfy the given condition. It omits the events of a restarted server from before the call of
// MarkAlive.
func (l *EventLog) Matching(is func(LoggedEvent) bool) []LoggedEvent {
	l.mu.Lock()
	defer l.mu.Unlock()
	var found []LoggedEvent
	for _, s := range l.logged {
		if is(s) && s.At.After(l.born[s.ServerID()]) {
			found = append(found, s)
		}
	}
	return found
}

// OfServer returns the events of the given type about the given server.
func (l *EventLog) OfServer(typ events.Type, id string) []LoggedEvent {
	return l.Matching(func(e LoggedEvent) bool { return e.Type() == typ && e.ServerID() == id })
}

// Await waits for an event of the given type about the given server, and returns the first such event. It returns false if no such event
// arrives in time.
func (l *EventLog) Await(within time.Duration, typ events.Type, id string) (LoggedEvent, bool) {
	late := time.After(within)
	for {
		l.mu.Lock()
		more := l.more
		l.mu.Unlock()
		if found := l.OfServer(typ, id); len(found) > 0 {
			return found[0], true
		}
		select {
		case <-more:
		case <-late:
			return LoggedEvent{}, false
		}
	}
}

// DelaysOf waits for an event of the given type about each of the given servers. It returns the times from the death of a server to the
// arrival of its event. It fails the test for each server whose event does not arrive in time.
func (l *EventLog) DelaysOf(tb testing.TB, within time.Duration, typ events.Type, ids []string) []time.Duration {
	tb.Helper()
	var delays []time.Duration
	deadline := time.Now().Add(within)
	for _, id := range ids {
		s, ok := l.Await(time.Until(deadline), typ, id)
		if !ok {
			tb.Errorf("no event %s for %s within %v", typ, id, within)
			continue
		}
		l.mu.Lock()
		delays = append(delays, s.At.Sub(l.dead[id]))
		l.mu.Unlock()
	}
	return delays
}

// FalseExpiries returns the ids of servers that were alive when they expired.
func (l *EventLog) FalseExpiries() []string {
	var ids []string
	for _, s := range l.Matching(func(s LoggedEvent) bool { return s.Type() == events.TypeExpired }) {
		l.mu.Lock()
		died, dead := l.dead[s.ServerID()]
		l.mu.Unlock()
		if !dead || s.Details().Time.Before(died.Add(-time.Millisecond)) { // the time of an event is rounded down to the millisecond
			ids = append(ids, s.ServerID())
		}
	}
	return ids
}

// NoFalseExpiries fails the test if a live server expired. It checks the events and also the counters of the API servers, because an API
// server expires servers even while no nsqd takes its events.
func (l *EventLog) NoFalseExpiries(tb testing.TB, what string, apis ...*API) {
	tb.Helper()
	l.mu.Lock()
	dead := len(l.dead) + len(l.born)
	l.mu.Unlock()
	wrong := len(l.FalseExpiries())
	for _, a := range apis {
		wrong = max(wrong, a.Expired(tb)-dead)
	}
	AtMost(tb, what+": live servers expired", wrong, 0)
	if wrong > 0 {
		tb.Log(fmt.Sprint(l.FalseExpiries()))
	}
}
