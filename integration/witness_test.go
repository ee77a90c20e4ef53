package integration

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"rollcall/events"
	"rollcall/pipeline/nsqpubsub"
	"rollcall/services/subscriber"
)

// witness keeps every lifecycle event with when it came, and knows which servers are really dead, because the test
// tells it before it ends one.
type witness struct {
	mu   sync.Mutex
	seen []sighting
	dead map[string]time.Time
	born map[string]time.Time // of those that were dead, and live again: what came before is forgotten
	more chan struct{}        // closed and renewed with each event
}

type sighting struct {
	events.Event
	at time.Time
}

func (s sighting) id() string { return s.Details().Server.ID }

// startWitness returns when it hears each of these nsqd.
func startWitness(tb testing.TB, nsqd ...string) *witness {
	tb.Helper()
	w := newWitness()
	sub, err := subscriber.New(subscriber.Config{NSQ: nsqpubsub.Cluster{NSQD: nsqd}})
	must(tb, err)
	run(tb, "witness", func(ctx context.Context) error { return sub.Run(ctx, w.note) })
	eventually(tb, 5*time.Second, "the witness hears every nsqd", func() bool {
		return len(sub.Nodes()) == len(nsqd) &&
			!slices.ContainsFunc(sub.Nodes(), func(n nsqpubsub.ConsumerNode) bool { return !n.Connected })
	})
	return w
}

// newWitness hears nothing: note is to tell it.
func newWitness() *witness {
	return &witness{dead: make(map[string]time.Time), born: make(map[string]time.Time), more: make(chan struct{})}
}

func (w *witness) note(_ context.Context, e events.Event) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen = append(w.seen, sighting{e, time.Now()})
	close(w.more)
	w.more = make(chan struct{})
	return nil
}

// dies says that these servers end now, and returns when that is.
func (w *witness) dies(ids ...string) time.Time {
	now := time.Now()
	w.died(now, ids...)
	return now
}

// died says when these servers ended, if that is known better than it was before.
func (w *witness) died(at time.Time, ids ...string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, id := range ids {
		w.dead[id] = at
	}
}

// revive says that these servers live again. What was told of their end has been judged.
func (w *witness) revive(ids ...string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, id := range ids {
		delete(w.dead, id)
		w.born[id] = time.Now()
	}
}

// told returns the events so far that satisfy is.
func (w *witness) told(is func(sighting) bool) []sighting {
	w.mu.Lock()
	defer w.mu.Unlock()
	var found []sighting
	for _, s := range w.seen {
		if is(s) && s.at.After(w.born[s.id()]) {
			found = append(found, s)
		}
	}
	return found
}

func (w *witness) of(typ events.Type, id string) []sighting {
	return w.told(func(s sighting) bool { return s.Type() == typ && s.id() == id })
}

// await returns the first event of this type and server; the second value is false if it does not come in time.
func (w *witness) await(within time.Duration, typ events.Type, id string) (sighting, bool) {
	late := time.After(within)
	for {
		w.mu.Lock()
		more := w.more
		w.mu.Unlock()
		if found := w.of(typ, id); len(found) > 0 {
			return found[0], true
		}
		select {
		case <-more:
		case <-late:
			return sighting{}, false
		}
	}
}

// delaysOf returns for each of the servers the time from its end to the event of this type.
func (w *witness) delaysOf(tb testing.TB, within time.Duration, typ events.Type, ids []string) []time.Duration {
	tb.Helper()
	var delays []time.Duration
	deadline := time.Now().Add(within)
	for _, id := range ids {
		s, ok := w.await(time.Until(deadline), typ, id)
		if !ok {
			tb.Errorf("no %s of %s within %v", typ, id, within)
			continue
		}
		w.mu.Lock()
		delays = append(delays, s.at.Sub(w.dead[id]))
		w.mu.Unlock()
	}
	return delays
}

// falseExpiries are the expired events of servers that were alive.
func (w *witness) falseExpiries() []string {
	var ids []string
	for _, s := range w.told(func(s sighting) bool { return s.Type() == events.TypeExpired }) {
		w.mu.Lock()
		died, dead := w.dead[s.id()]
		w.mu.Unlock()
		if !dead || s.Details().Time.Before(died.Add(-time.Millisecond)) { // an event's time is cut to it
			ids = append(ids, s.id())
		}
	}
	return ids
}

// noFalse is the row that every fault has: no server that is alive expired. Beside the events it asks the API
// servers themselves, since what nobody could publish or hear was decided all the same.
func (w *witness) noFalse(tb testing.TB, what string, apis ...*api) {
	tb.Helper()
	w.mu.Lock()
	dead := len(w.dead) + len(w.born)
	w.mu.Unlock()
	wrong := len(w.falseExpiries())
	for _, a := range apis {
		wrong = max(wrong, a.expired(tb)-dead)
	}
	row(tb, what+": servers expired that were alive", wrong, 0)
	if wrong > 0 {
		tb.Log(fmt.Sprint(w.falseExpiries()))
	}
}
