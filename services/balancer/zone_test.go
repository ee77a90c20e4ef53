package balancer_test

import (
	"testing"
	"time"

	"rollcall/events"
	"rollcall/services/balancer"
)

// zoned returns servers in two zones. The parameter here is the number of servers in the zone "a", and the parameter there is the number in
// the zone "b".
func zoned(here, there int) []*events.Server {
	all := same(here + there)
	for _, s := range all[here:] {
		s.Zone = "b"
	}
	return all
}

// suspected sets the state of the first n servers of the slice to suspect, and returns the slice.
func suspected(n int, all []*events.Server) []*events.Server {
	for _, s := range all[:n] {
		s.State = events.StateSuspect
	}
	return all
}

// onlyHere reports whether Pick chooses only servers of the zone "a".
func onlyHere(t *testing.T, b *balancer.Balancer) bool {
	t.Helper()
	for i := range 200 {
		switch e := b.Pick(uint64(i), nil); {
		case e == nil:
			t.Fatal("no server was chosen")
		case e.Server().Zone != "a":
			return false
		}
	}
	return true
}

func TestZoneIsPreferredWhileHalfIsUsable(t *testing.T) {
	type at struct {
		after   time.Duration
		servers []*events.Server // nil: the step calls Tick instead of Update
	}
	panicking := zoned(2, 9)
	suspected(9, panicking[2:])
	for _, test := range []struct {
		name  string
		steps []at
		local bool // whether the zone "a" is preferred after the last step
	}{
		{"all servers are usable", []at{{0, zoned(2, 9)}}, true},
		{"half of the zone is usable", []at{{0, suspected(2, zoned(4, 9))}}, true},
		{"fewer than half are usable", []at{{0, suspected(3, zoned(5, 9))}}, false},
		{"no server in the zone", []at{{0, zoned(0, 9)}}, false},
		{"all are usable, but in panic", []at{{0, panicking}}, false},
		{"half of the zone expired", []at{{0, zoned(4, 9)}, {time.Minute, zoned(2, 9)}}, true},
		{"most of the zone expired", []at{{0, zoned(5, 9)}, {time.Minute, zoned(2, 9)}}, false},
		{"most expired after a long time without a call", []at{{0, zoned(5, 9)}, {time.Hour, zoned(2, 9)}}, false},
		{"most expired within a minute", []at{{0, zoned(5, 9)}, {30 * time.Second, zoned(2, 9)}}, false},
		{"most expired more than a minute ago", []at{{0, zoned(5, 9)}, {time.Minute, zoned(2, 9)},
			{2 * time.Minute, zoned(2, 8)}, {4*time.Minute + 50*time.Second, zoned(2, 9)}}, false},
		{"the peak is forgotten", []at{{0, zoned(5, 9)}, {time.Minute, zoned(2, 9)}, {7 * time.Minute, nil}}, true},
		{"the peak is forgotten, with ticks in between", []at{{0, zoned(5, 9)}, {time.Minute, zoned(2, 9)},
			{4 * time.Minute, nil}, {8 * time.Minute, nil}}, true},
		{"the peak is forgotten minute by minute", []at{{0, zoned(9, 9)}, {time.Minute, zoned(5, 9)}, {4 * time.Minute, nil},
			{5 * time.Minute, zoned(2, 9)}, {7 * time.Minute, nil}}, false},
		{"all servers of the zone returned", []at{{0, zoned(5, 9)}, {time.Minute, zoned(2, 9)}, {2 * time.Minute, zoned(5, 9)}}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := mustNew(t, balancer.Config{Zone: "a"})
			for _, s := range test.steps {
				if s.servers == nil {
					b.Tick(start.Add(s.after))
				} else {
					b.Update(s.servers, start.Add(s.after))
				}
			}
			if got := onlyHere(t, b); got != test.local {
				t.Errorf("only servers of the zone are chosen: %v, want %v", got, test.local)
			}
		})
	}
}

func TestAllZonesAreUsedWithoutConfiguredZone(t *testing.T) {
	b := mustNew(t, balancer.Config{})
	b.Update(zoned(5, 5), start)
	if onlyHere(t, b) {
		t.Error("only servers of one zone are chosen")
	}
}

func TestPanicIgnoresZone(t *testing.T) {
	b := mustNew(t, balancer.Config{Zone: "a"})
	all := zoned(2, 9)
	suspected(8, all[2:])
	b.Update(all, start)
	if got := picked(b, 10_000); len(got) != len(all) {
		t.Errorf("chosen: %v, want the servers of all zones", got)
	}
}
