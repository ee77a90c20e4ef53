package balancer_test

import (
	"errors"
	"testing"
	"time"

	"rollcall/services/balancer"
)

func TestPickDoesNotAllocate(t *testing.T) {
	for _, policy := range balancer.Policies() {
		t.Run(string(policy), func(t *testing.T) {
			b := mustNew(t, balancer.Config{})
			b.Update(differing(100), start)
			if _, err := b.PickBy(policy, 0); err != nil { // the first call builds the picker
				t.Fatal(err)
			}
			key := uint64(0)
			if allocs := testing.AllocsPerRun(1000, func() {
				e, _ := b.PickBy(policy, key)
				e.Begin()
				b.Done(e, balancer.Answered, start)
				b.Pick(key, []*balancer.Endpoint{e}) // the retry uses p2c, the configured policy
				key++
			}); allocs != 0 {
				t.Errorf("%v allocations for each request", allocs)
			}
		})
	}
}

func TestPickByUsesAnotherPolicy(t *testing.T) {
	b := mustNew(t, balancer.Config{})
	if e, err := b.PickBy(balancer.Hash, 1); e != nil || err != nil {
		t.Fatalf("without servers: %v, %v", e, err)
	}
	b.Update(same(3), start)
	for i, want := range []string{"s0000", "s0001", "s0002", "s0000"} {
		if e, err := b.PickBy(balancer.RoundRobin, 0); idOf(e) != want || err != nil {
			t.Errorf("turn %d: got %q, %v, want %s", i, idOf(e), err, want)
		}
	}
	owner, _ := b.PickBy(balancer.Hash, 7)
	for range 10 {
		if e, _ := b.PickBy(balancer.Hash, 7); e != owner {
			t.Errorf("one key went to %s, then to %s", idOf(owner), idOf(e))
		}
	}
	if e, err := b.PickBy("best", 0); e != nil || !errors.Is(err, balancer.ErrPolicy) {
		t.Errorf("unknown policy: %v, %v", e, err)
	}
	b.Update(same(4), start) // the new server, s0003, comes last in the rotation
	if e, _ := b.PickBy(balancer.RoundRobin, 0); idOf(e) != "s0001" {
		t.Errorf("after a change of the candidates: got %s, want the rotation to go on with s0001", idOf(e))
	}
}

func TestCandidatesAreReplacedOnlyWhenTheyChange(t *testing.T) {
	b := mustNew(t, balancer.Config{Policy: balancer.RoundRobin, SlowStart: 10 * time.Second})
	all := same(3)
	previous := b.CurrentCandidates()
	replaced := 0
	for _, step := range []struct {
		name     string
		do       func()
		replaced int
	}{
		{"no servers", func() { b.Update(nil, start) }, 0},
		{"first servers", func() { b.Update(all[:2], start) }, 1},
		{"same membership again", func() { b.Update(all[:2], start) }, 1},
		{"tick without a slow start", func() { b.Tick(start.Add(time.Second)) }, 1},
		{"server added", func() { b.Update(all, start.Add(11*time.Second)) }, 2},
		{"tick before the next step of the slow start", func() { b.Tick(start.Add(11*time.Second + time.Millisecond)) }, 2},
		{"step of the slow start", func() { b.Tick(start.Add(13 * time.Second)) }, 3},
		{"end of the slow start", func() { b.Tick(start.Add(time.Minute)) }, 4},
		{"tick after the slow start", func() { b.Tick(start.Add(time.Hour)) }, 4},
	} {
		step.do()
		if p := b.CurrentCandidates(); p != previous {
			previous = p
			replaced++
		}
		if replaced != step.replaced {
			t.Fatalf("%s: replaced %d times, want %d", step.name, replaced, step.replaced)
		}
	}
	for i, want := range []string{"s0000", "s0001", "s0002"} {
		if c := b.Candidates()[i]; idOf(c.Endpoint) != want || c.Weight != 100 || c.Full != 100 {
			t.Errorf("candidate %d is %s of weight %v of %v", i, idOf(c.Endpoint), c.Weight, c.Full)
		}
	}
}
