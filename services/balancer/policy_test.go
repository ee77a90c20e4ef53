package balancer_test

import (
	"errors"
	"testing"
	"time"

	"rollcall/services/balancer"
)

func TestPickAllocatesNothing(t *testing.T) {
	for _, policy := range balancer.Policies() {
		t.Run(string(policy), func(t *testing.T) {
			b := mustNew(t, balancer.Config{})
			b.Update(mixed(100), start)
			if _, err := b.PickBy(policy, 0); err != nil { // builds its picker
				t.Fatal(err)
			}
			key := uint64(0)
			if allocs := testing.AllocsPerRun(1000, func() {
				e, _ := b.PickBy(policy, key)
				e.Begin()
				b.Done(e, balancer.Answered, start)
				b.Pick(key, []*balancer.Endpoint{e}) // by p2c
				key++
			}); allocs != 0 {
				t.Errorf("%v allocations a request", allocs)
			}
		})
	}
}

func TestPickByPicksByAnotherPolicy(t *testing.T) {
	b := mustNew(t, balancer.Config{})
	if e, err := b.PickBy(balancer.Hash, 1); e != nil || err != nil {
		t.Fatalf("of no servers: %v, %v", e, err)
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
			t.Errorf("one key: %s, then %s", idOf(owner), idOf(e))
		}
	}
	if e, err := b.PickBy("best", 0); e != nil || !errors.Is(err, balancer.ErrPolicy) {
		t.Errorf("an unknown policy: %v, %v", e, err)
	}
	b.Update(same(4), start) // the new one is owed nothing: it comes last
	if e, _ := b.PickBy(balancer.RoundRobin, 0); idOf(e) != "s0001" {
		t.Errorf("after a change of the candidates: got %s, want the rotation to go on with s0001", idOf(e))
	}
}

// recorder is a policy that keeps what it is given.
type recorder struct {
	built    [][]balancer.Candidate
	previous []balancer.Picker
}

func (r *recorder) build(c []balancer.Candidate, previous balancer.Picker) balancer.Picker {
	r.built = append(r.built, c)
	r.previous = append(r.previous, previous)
	return idlest(c)
}

func TestBuilderIsAskedWhenCandidatesChange(t *testing.T) {
	var r recorder
	b := mustNew(t, balancer.Config{
		Policy: "own", SlowStart: 10 * time.Second, Builders: map[balancer.Policy]balancer.Builder{"own": r.build},
	})
	all := same(3)
	for _, step := range []struct {
		name  string
		do    func()
		built int
	}{
		{"no servers, no picker", func() { b.Update(nil, start) }, 0},
		{"the first servers", func() { b.Update(all[:2], start) }, 1},
		{"the same again", func() { b.Update(all[:2], start) }, 1},
		{"nothing ramps", func() { b.Tick(start.Add(time.Second)) }, 1},
		{"one more", func() { b.Update(all, start.Add(11*time.Second)) }, 2},
		{"too soon for a step of the slow start", func() { b.Tick(start.Add(11*time.Second + time.Millisecond)) }, 2},
		{"a step of the slow start", func() { b.Tick(start.Add(13 * time.Second)) }, 3},
		{"its end", func() { b.Tick(start.Add(time.Minute)) }, 4},
		{"nothing ramps any more", func() { b.Tick(start.Add(time.Hour)) }, 4},
	} {
		step.do()
		if len(r.built) != step.built {
			t.Fatalf("%s: %d pickers built, want %d", step.name, len(r.built), step.built)
		}
	}
	if r.previous[0] != nil || r.previous[1] == nil {
		t.Errorf("previous pickers: %v", r.previous)
	}
	last := r.built[len(r.built)-1]
	for i, want := range []string{"s0000", "s0001", "s0002"} {
		if c := last[i]; idOf(c.Endpoint) != want || c.Weight != 100 || c.Full != 100 {
			t.Errorf("candidate %d is %s of weight %v of %v", i, idOf(c.Endpoint), c.Weight, c.Full)
		}
	}
}
