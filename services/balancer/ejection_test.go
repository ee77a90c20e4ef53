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

func TestEjectionAfterFailuresInARow(t *testing.T) {
	const a, f, x = balancer.Answered, balancer.Failed, balancer.Abandoned
	for _, test := range []struct {
		name     string
		after    int
		outcomes []balancer.Outcome
		ejected  bool // whether the last outcome ejects the server
	}{
		{"five failures", 0, []balancer.Outcome{f, f, f, f, f}, true},
		{"four failures", 0, []balancer.Outcome{f, f, f, f}, false},
		{"an answer resets the count", 0, []balancer.Outcome{f, f, f, f, a, f}, false},
		{"an abandoned request does not reset the count", 0, []balancer.Outcome{f, f, x, f, f, x, f}, true},
		{"an abandoned request does not count", 0, []balancer.Outcome{f, f, f, f, x}, false},
		{"configured number of failures", 1, []balancer.Outcome{f}, true},
		{"ejection is off", -1, []balancer.Outcome{f, f, f, f, f, f, f, f}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := mustNew(t, balancer.Config{Eject: balancer.Ejection{After: test.after}})
			b.Update(same(4), start)
			e := endpoint(t, b, "s0001")
			for i, o := range test.outcomes {
				e.Begin()
				last := i == len(test.outcomes)-1
				if got := b.Done(e, o, start); got != (last && test.ejected) {
					t.Errorf("outcome %d, %v: ejected %v", i, o, got)
				}
			}
			if got := picked(b, 1000)["s0001"] == 0; got != test.ejected {
				t.Errorf("no longer chosen: %v, want %v", got, test.ejected)
			}
			if s := b.Stats(); (s.Ejected == 1 && s.Ejections == 1 && s.Usable == 3) != test.ejected {
				t.Errorf("stats: %+v", s)
			}
			if e.InFlight() != 0 {
				t.Errorf("%d requests in flight", e.InFlight())
			}
		})
	}
}

func TestEjectionDoublesEachTime(t *testing.T) {
	const answers, fails = true, false
	b := mustNew(t, balancer.Config{Eject: balancer.Ejection{Percent: 100}})
	b.Update(same(4), start)
	e := endpoint(t, b, "s0001")
	now := start
	for i, step := range []struct {
		name    string
		pause   time.Duration // from the end of the previous ejection to the failures of this step
		answers bool          // the server answers a request in the pause
		want    time.Duration
	}{
		{"first ejection", 0, fails, 5 * time.Second},
		{"second ejection", 0, answers, 10 * time.Second},
		{"third ejection, after a pause", time.Second, fails, 20 * time.Second},
		{"one nanosecond before the count is reset", time.Minute - time.Nanosecond, answers, 40 * time.Second},
		{"longest ejection", 0, fails, 60 * time.Second},
		{"never longer", 0, fails, 60 * time.Second},
		{"a pause without an answer does not reset the count", time.Hour, fails, 60 * time.Second},
		{"a long pause with an answer resets the count", time.Minute, answers, 5 * time.Second},
		{"second ejection after the reset", 0, fails, 10 * time.Second},
	} {
		if step.answers {
			e.Begin()
			b.Done(e, balancer.Answered, now)
		}
		now = now.Add(step.pause)
		if fail(b, e, 4, now) {
			t.Fatalf("%d, %s: the failure count was not reset", i, step.name)
		}
		if !fail(b, e, 1, now) {
			t.Fatalf("%d, %s: not ejected", i, step.name)
		}
		if fail(b, e, 9, now) {
			t.Fatalf("%d, %s: ejected while ejected", i, step.name)
		}
		b.Tick(now.Add(step.want - time.Nanosecond))
		if b.Stats().Ejected != 1 {
			t.Fatalf("%d, %s: the ejection ended too early", i, step.name)
		}
		now = now.Add(step.want)
		b.Tick(now)
		if b.Stats().Ejected != 0 || picked(b, 1000)["s0001"] == 0 {
			t.Fatalf("%d, %s: the ejection did not end after %v", i, step.name, step.want)
		}
	}
}

func TestEjectionOfMaximumDuration(t *testing.T) {
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
			t.Fatalf("%d: the ejection ended before %v", i, want)
		}
		now = now.Add(want)
		b.Tick(now)
	}
}

func TestEjectedServersAreLimited(t *testing.T) {
	const alive, suspect, draining = events.StateAlive, events.StateSuspect, events.StateDraining
	for _, test := range []struct {
		name    string
		percent int
		servers []*events.Server
		ejected int // number of ejected servers if all servers fail
	}{
		{"30 % of 10", 0, same(10), 3},
		{"at least one", 0, same(2), 1},
		{"rounded down", 0, same(9), 2},
		{"never the only server", 0, same(1), 0},
		{"never the only usable server", 100, in(alive, suspect), 0},
		{"100 % leaves one server", 100, same(4), 3},
		{"draining servers do not count", 0, in(alive, alive, alive, draining, draining, draining, draining), 1},
		{"never the only suspect", 0, in(suspect), 0},
		{"a suspect in panic", 0, in(suspect, suspect, alive), 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := mustNew(t, balancer.Config{Eject: balancer.Ejection{Percent: test.percent}})
			b.Update(test.servers, start)
			ejected := 0
			for range 3 { // in each round, all servers that are still chosen fail
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

func TestEjectedServerIsUsedIfThereIsNoOther(t *testing.T) {
	const alive, suspect, draining = events.StateAlive, events.StateSuspect, events.StateDraining
	for _, test := range []struct {
		name   string
		panic  int
		states []events.State // states of the three servers in the Update that follows the ejection of s0001
		want   []string
	}{
		{"alive servers are left", 0, []events.State{alive, alive, alive}, []string{"s0000", "s0002"}},
		{"one is left, in panic", 0, []events.State{alive, alive, suspect}, []string{"s0000", "s0002"}},
		{"suspects are left", 0, []events.State{suspect, alive, suspect}, []string{"s0000", "s0002"}},
		{"no other server is left", 0, []events.State{draining, alive, draining}, []string{"s0001"}},
		{"suspects are never used", -1, []events.State{suspect, alive, suspect}, []string{"s0001"}},
		{"an ejected suspect is not used either", -1, []events.State{suspect, suspect, suspect}, []string{""}},
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

func TestNewIncarnationResetsFailures(t *testing.T) {
	all := same(3)
	restarted := with(all[1], func(s *events.Server) { s.Incarnation++ })
	b := mustNew(t, balancer.Config{})
	b.Update(all, start)
	e := endpoint(t, b, "s0001")
	fail(b, e, 4, start)
	b.Update([]*events.Server{all[0], restarted, all[2]}, start)
	if fail(b, e, 4, start) {
		t.Error("ejected for failures of the previous incarnation")
	}
	if !fail(b, e, 1, start) {
		t.Error("not ejected")
	}
}

func TestNewIncarnationEndsEjection(t *testing.T) {
	all := same(3)
	for _, test := range []struct {
		name    string
		back    *events.Server
		after   time.Duration
		ejected int
	}{
		{"server disappeared and returned", all[1], 2 * time.Second, 1},
		{"server returned after the end of the ejection", all[1], 6 * time.Second, 0},
		{"server restarted", with(all[1], func(s *events.Server) { s.Incarnation++ }), 2 * time.Second, 0},
		{"server moved", with(all[1], func(s *events.Server) { s.Addr = "other" }), 2 * time.Second, 1},
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
				t.Errorf("Server returns %+v", e.Server())
			}
		})
	}
}

// A service whose servers restart all the time always has a server in its slow start.
func TestEjectionEndsDuringSlowStartOfAnotherServer(t *testing.T) {
	cfg := balancer.Config{SlowStart: time.Hour, Eject: balancer.Ejection{For: 10 * time.Second}}
	b, all := mustNew(t, cfg), same(4)
	b.Update(all, start)
	restarted := with(all[3], func(s *events.Server) { s.Incarnation = 2 })
	b.Change(changes(all[3], restarted), start)
	if !fail(b, endpoint(t, b, "s0001"), 5, start) {
		t.Fatal("s0001 was not ejected")
	}
	b.Tick(start.Add(9 * time.Second))
	if s := b.Stats(); s.Ejected != 1 || s.Starting != 1 {
		t.Fatalf("%d ejected, %d starting before the end of the ejection; want 1 and 1", s.Ejected, s.Starting)
	}
	b.Tick(start.Add(10 * time.Second))
	if s := b.Stats(); s.Ejected != 0 || s.Starting != 1 {
		t.Errorf("%d ejected, %d starting after the end of the ejection; want 0 and 1", s.Ejected, s.Starting)
	}
}
