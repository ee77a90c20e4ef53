package balancer_test

import (
	"maps"
	"slices"
	"testing"

	"rollcall/events"
	"rollcall/services/balancer"
)

// The function in returns one server for each of the given states.
func in(states ...events.State) []*events.Server {
	all := same(len(states))
	for i, state := range states {
		all[i].State = state
	}
	return all
}

func weighing(weight int, all []*events.Server) []*events.Server {
	for _, s := range all {
		s.Weight = weight
	}
	return all
}

func TestCandidates(t *testing.T) {
	const alive, suspect, draining = events.StateAlive, events.StateSuspect, events.StateDraining
	for _, test := range []struct {
		name    string
		panic   int
		servers []*events.Server
		want    []string
		panics  bool
	}{
		{"no servers", 0, nil, nil, false},
		{"alive servers", 0, in(alive, alive), []string{"s0000", "s0001"}, false},
		{"no suspects while half of the servers are usable", 0, in(alive, suspect), []string{"s0000"}, false},
		{"suspects while fewer than half are usable", 0, in(alive, suspect, suspect), []string{"s0000", "s0001", "s0002"}, true},
		{"a single suspect", 0, in(suspect), []string{"s0000"}, true},
		{"draining servers do not count", 0, in(alive, suspect, draining, draining), []string{"s0000"}, false},
		{"servers of weight 0 do not count", 0, append(in(alive), weighing(0, in(suspect, suspect, suspect))[1:]...), []string{"s0000"}, false},
		{"no draining server, even in panic", 0, in(suspect, draining), []string{"s0000"}, true},
		{"no server of weight 0, even in panic", 0, append(in(suspect), weighing(0, in(alive, alive))[1]), []string{"s0000"}, true},
		{"all servers drain", 0, in(draining), nil, false},
		{"panic is off", -1, in(alive, suspect, suspect, suspect), []string{"s0000"}, false},
		{"panic is off, with a single suspect", -1, in(suspect), nil, false},
		{"panic at the first suspect", 100, in(alive, alive, suspect), []string{"s0000", "s0001", "s0002"}, true},
		{"unknown state", 0, in(alive, "odd"), []string{"s0000"}, false},
	} {
		for _, policy := range balancer.Policies() {
			t.Run(string(policy)+"/"+test.name, func(t *testing.T) {
				b := mustNew(t, balancer.Config{Policy: policy, Panic: test.panic})
				b.Update(test.servers, start)
				got := picked(b, 1000)
				delete(got, "")
				if ids := slices.Sorted(maps.Keys(got)); !slices.Equal(ids, test.want) {
					t.Errorf("chosen: %v, want %v", ids, test.want)
				}
				if s := b.Stats(); s.Panic != test.panics || s.Candidates != len(test.want) || s.Servers != len(test.servers) {
					t.Errorf("stats: %+v", s)
				}
			})
		}
	}
}

func TestPickNeverReturnsTriedServer(t *testing.T) {
	const constant = "constant"
	for _, policy := range append(balancer.Policies(), constant) {
		t.Run(string(policy), func(t *testing.T) {
			cfg := balancer.Config{Policy: policy, Zone: "a"}
			if policy == constant {
				cfg.Policy = ""
			}
			b := mustNew(t, cfg)
			all := servers(1, 1000, 3, 400, 50, 6)
			all[0].Zone, all[5].State = "b", events.StateSuspect
			b.Update(all, start)
			if policy == constant {
				b.PickAlways()
			}
			var tried []*balancer.Endpoint
			for i := range 5 {
				e := b.Pick(7, tried)
				switch {
				case e == nil:
					t.Fatalf("no server after %d, want 5 servers", i)
				case slices.Contains(tried, e):
					t.Fatalf("%s was returned twice", idOf(e))
				case (e.Server().Zone == "b") != (i == 4):
					t.Errorf("pick %d is %s, want the other zone only in the last pick", i, idOf(e))
				}
				tried = append(tried, e)
			}
			if e := b.Pick(7, tried); e != nil {
				t.Errorf("got %s after all were tried, want none", idOf(e))
			}
		})
	}
}

func TestPickPrefersUsableServerForRetry(t *testing.T) {
	b := mustNew(t, balancer.Config{})
	const suspect = events.StateSuspect
	b.Update(in(suspect, suspect, suspect, events.StateAlive, suspect), start) // one of five servers is usable, so the suspect servers become candidates too
	b.PickAlways()
	first := b.Pick(0, nil)
	for range 100 {
		if e := b.Pick(0, []*balancer.Endpoint{first}); idOf(e) != "s0003" {
			t.Fatalf("got %s", idOf(e))
		}
	}
}
