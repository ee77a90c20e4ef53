package balancer_test

import (
	"maps"
	"math"
	"slices"
	"testing"
	"time"

	"rollcall/events"
	"rollcall/services/balancer"
)

func TestEjectsAfterFailuresInARow(t *testing.T) {
	const a, f, x = balancer.Answered, balancer.Failed, balancer.Abandoned
	for _, test := range []struct {
		name     string
		after    int
		outcomes []balancer.Outcome
		ejected  bool // by the last
	}{
		{"five", 0, []balancer.Outcome{f, f, f, f, f}, true},
		{"one short of five", 0, []balancer.Outcome{f, f, f, f}, false},
		{"an answer between starts from 0", 0, []balancer.Outcome{f, f, f, f, a, f}, false},
		{"what was abandoned changes nothing", 0, []balancer.Outcome{f, f, x, f, f, x, f}, true},
		{"nor does it count", 0, []balancer.Outcome{f, f, f, f, x}, false},
		{"as few as are set", 1, []balancer.Outcome{f}, true},
		{"never", -1, []balancer.Outcome{f, f, f, f, f, f, f, f}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := mustNew(t, balancer.Config{Eject: balancer.Ejection{After: test.after}})
			b.Update(same(4), start)
			e := endpoint(t, b, "s0001")
			for i, o := range test.outcomes {
				e.Begin()
				last := i == len(test.outcomes)-1
				if got := b.Done(e, o, start); got != (last && test.ejected) {
					t.Errorf("%d, %v: ejected %v", i, o, got)
				}
			}
			if got := picked(b, 1000)["s0001"] == 0; got != test.ejected {
				t.Errorf("not chosen any more: %v, want %v", got, test.ejected)
			}
			if s := b.Stats(); (s.Ejected == 1 && s.Ejections == 1 && s.Usable == 3) != test.ejected {
				t.Errorf("stats: %+v", s)
			}
			if e.InFlight() != 0 {
				t.Errorf("%d in flight", e.InFlight())
			}
		})
	}
}

func TestEjectionLastsTwiceAsLongEachTime(t *testing.T) {
	const answers, fails = true, false
	b := mustNew(t, balancer.Config{Eject: balancer.Ejection{Percent: 100}})
	b.Update(same(4), start)
	e := endpoint(t, b, "s0001")
	now := start
	for i, step := range []struct {
		name    string
		pause   time.Duration // since it came back
		answers bool          // meanwhile
		want    time.Duration
	}{
		{"the first time", 0, fails, 5 * time.Second},
		{"twice", 0, answers, 10 * time.Second},
		{"again", time.Second, fails, 20 * time.Second},
		{"one tick short of being forgotten", time.Minute - time.Nanosecond, answers, 40 * time.Second},
		{"the longest", 0, fails, 60 * time.Second},
		{"no longer", 0, fails, 60 * time.Second},
		{"idle is not well", time.Hour, fails, 60 * time.Second},
		{"well for long enough", time.Minute, answers, 5 * time.Second},
		{"and twice", 0, fails, 10 * time.Second},
	} {
		if step.answers {
			e.Begin()
			b.Done(e, balancer.Answered, now)
		}
		now = now.Add(step.pause)
		if fail(b, e, 4, now) {
			t.Fatalf("%d, %s: the failures did not start at 0", i, step.name)
		}
		if !fail(b, e, 1, now) {
			t.Fatalf("%d, %s: not ejected", i, step.name)
		}
		if fail(b, e, 9, now) {
			t.Fatalf("%d, %s: ejected while ejected", i, step.name)
		}
		b.Tick(now.Add(step.want - time.Nanosecond))
		if b.Stats().Ejected != 1 {
			t.Fatalf("%d, %s: back too soon", i, step.name)
		}
		now = now.Add(step.want)
		b.Tick(now)
		if b.Stats().Ejected != 0 || picked(b, 1000)["s0001"] == 0 {
			t.Fatalf("%d, %s: not back after %v", i, step.name, step.want)
		}
	}
}

func TestEjectionMayLastForever(t *testing.T) {
	const forever = time.Duration(math.MaxInt64)
	b := mustNew(t, balancer.Config{Eject: balancer.Ejection{For: forever / 3, Longest: forever}})
	b.Update(same(4), start)
	e := endpoint(t, b, "s0001")
	now := start
	for i, want := range []time.Duration{forever / 3, forever / 3 * 2, forever} {
		if !fail(b, e, 5, now) {
			t.Fatalf("%d: not ejected", i)
		}
		b.Tick(now.Add(want - time.Hour))
		if b.Stats().Ejected != 1 {
			t.Fatalf("%d: back before %v", i, want)
		}
		now = now.Add(want)
		b.Tick(now)
	}
}

func TestEjectsOnlySoMany(t *testing.T) {
	const alive, suspect, draining = events.StateAlive, events.StateSuspect, events.StateDraining
	for _, test := range []struct {
		name    string
		percent int
		servers []*events.Server
		ejected int // if all fail
	}{
		{"30 % of 10", 0, same(10), 3},
		{"at least one", 0, same(2), 1},
		{"rounded down", 0, same(9), 2},
		{"never the only one", 0, same(1), 0},
		{"never the only usable one", 100, in(alive, suspect), 0},
		{"one stays even of 100 %", 100, same(4), 3},
		{"the draining do not count", 0, in(alive, alive, alive, draining, draining, draining, draining), 1},
		{"never the only suspect", 0, in(suspect), 0},
		{"a suspect in panic", 0, in(suspect, suspect, alive), 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := mustNew(t, balancer.Config{Eject: balancer.Ejection{Percent: test.percent}})
			b.Update(test.servers, start)
			ejected := 0
			for range 3 { // who was spared fails on
				for id := range picked(b, 1000) {
					if fail(b, endpoint(t, b, id), 5, start) {
						ejected++
					}
				}
			}
			if s := b.Stats(); ejected != test.ejected || s.Ejected != ejected || s.Candidates == 0 {
				t.Errorf("%d ejected, want %d: %+v", ejected, test.ejected, s)
			}
		})
	}
}

func TestEjectedServeWhereNothingElseIsLeft(t *testing.T) {
	const alive, suspect, draining = events.StateAlive, events.StateSuspect, events.StateDraining
	for _, test := range []struct {
		name   string
		panic  int
		states []events.State // after the second was ejected
		want   []string
	}{
		{"the alive are left", 0, []events.State{alive, alive, alive}, []string{"s0000", "s0002"}},
		{"one is left, in panic", 0, []events.State{alive, alive, suspect}, []string{"s0000", "s0002"}},
		{"suspects are left", 0, []events.State{suspect, alive, suspect}, []string{"s0000", "s0002"}},
		{"nothing else is left", 0, []events.State{draining, alive, draining}, []string{"s0001"}},
		{"suspects are not to be used", -1, []events.State{suspect, alive, suspect}, []string{"s0001"}},
		{"nor is the ejected if it is suspect", -1, []events.State{suspect, suspect, suspect}, []string{""}},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := mustNew(t, balancer.Config{Panic: test.panic})
			b.Update(same(3), start)
			if !fail(b, endpoint(t, b, "s0001"), 5, start) {
				t.Fatal("not ejected")
			}
			b.Update(in(test.states...), start)
			if got := slices.Sorted(maps.Keys(picked(b, 1000))); !slices.Equal(got, test.want) {
				t.Errorf("chosen are %q, want %q", got, test.want)
			}
		})
	}
}

func TestFailuresBelongToTheIncarnation(t *testing.T) {
	all := same(3)
	restarted := with(all[1], func(s *events.Server) { s.Incarnation++ })
	b := mustNew(t, balancer.Config{})
	b.Update(all, start)
	e := endpoint(t, b, "s0001")
	fail(b, e, 4, start)
	b.Update([]*events.Server{all[0], restarted, all[2]}, start)
	if fail(b, e, 4, start) {
		t.Error("ejected for what the process before did")
	}
	if !fail(b, e, 1, start) {
		t.Error("not ejected")
	}
}

func TestEjectionBelongsToTheIncarnation(t *testing.T) {
	all := same(3)
	for _, test := range []struct {
		name    string
		back    *events.Server
		after   time.Duration
		ejected int
	}{
		{"lost and found", all[1], 2 * time.Second, 1},
		{"found after the end of the ejection", all[1], 6 * time.Second, 0},
		{"restarted", with(all[1], func(s *events.Server) { s.Incarnation++ }), 2 * time.Second, 0},
		{"moved", with(all[1], func(s *events.Server) { s.Addr = "elsewhere" }), 2 * time.Second, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := mustNew(t, balancer.Config{})
			b.Update(all, start)
			e := endpoint(t, b, "s0001")
			if !fail(b, e, 5, start) {
				t.Fatal("not ejected")
			}
			b.Update([]*events.Server{all[0], all[2]}, start.Add(time.Second))
			b.Update([]*events.Server{all[0], test.back, all[2]}, start.Add(test.after))
			if got := b.Stats().Ejected; got != test.ejected {
				t.Errorf("%d ejected, want %d", got, test.ejected)
			}
			if e.Server() != test.back {
				t.Errorf("the endpoint has %+v", e.Server())
			}
		})
	}
}
