package balancer

import (
	"fmt"
	"testing"
	"time"

	"rollcall/events"
)

// Changes without picks leave dead turns. Their number is bounded, and so is the time of the next pick, which drops them.
func TestDeadTurnsAreBounded(t *testing.T) {
	b, err := New(Config{Policy: RoundRobin})
	if err != nil {
		t.Fatal(err)
	}
	server := func(i, weight int) *events.Server {
		return &events.Server{ID: fmt.Sprint(i), State: events.StateAlive, Weight: weight}
	}
	const n = 100
	one := func(s *events.Server) func(func(_, _ *events.Server) bool) {
		return func(yield func(_, _ *events.Server) bool) { yield(nil, s) }
	}
	for i := range n {
		b.Change(one(server(i, 100)), time.Time{})
	}
	b.Pick(0, nil)
	for i := range 10_000 {
		b.Change(one(server(i%n, 1+i%1000)), time.Time{})
	}
	r := b.picker.(*roundRobin)
	if most := n + n/8 + blockSize; len(r.turns) > most || len(r.ready)+len(r.waiting) > most {
		t.Errorf("%d turns, %d ready, %d waiting, want at most %d", len(r.turns), len(r.ready), len(r.waiting), most)
	}
	live := 0
	for _, turn := range r.turns {
		if turn.weight > 0 {
			live++
		}
	}
	if live != n || live != len(r.turns)-r.dead {
		t.Errorf("%d turns, %d of them dead and %d live, want %d live", len(r.turns), r.dead, live, n)
	}
}
