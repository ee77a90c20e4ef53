package balancer_test

import (
	"math"
	"testing"
	"time"

	"rollcall/events"
	"rollcall/services/balancer"
)

// reports returns servers with the given weights. Server number i reported inFlight[i] requests in flight; the report is as old as the
// parameter age says. If inFlight[i] is negative, the server reports no load.
func reports(age time.Duration, weights []int, inFlight ...int64) []*events.Server {
	all := servers(weights...)
	for i, s := range all {
		s.AgeMS = age.Milliseconds()
		if inFlight[i] >= 0 {
			s.Load = &events.Load{InFlight: inFlight[i]}
		}
	}
	return all
}

func TestLoadIsDiscountedByAge(t *testing.T) {
	equal := []int{100, 100, 100}
	for _, test := range []struct {
		name string
		all  []*events.Server
		tick time.Duration
		want []float64
	}{
		{"new report", reports(0, equal, 2, 4, 12), 0, []float64{2, 4, 12}},
		{"one interval old: half of the difference from the mean", reports(5*time.Second, equal, 2, 4, 12), 0, []float64{4, 5, 9}},
		{"Tick makes reports older", reports(0, equal, 2, 4, 12), 5 * time.Second, []float64{4, 5, 9}},
		{"an hour old: the mean", reports(time.Hour, equal, 2, 4, 12), 0, []float64{6, 6, 6}},
		{"one server without a report: the mean", reports(0, equal, 2, 4, -1), 0, []float64{2, 4, 3}},
		{"no reports", reports(0, equal, -1, -1, -1), 0, []float64{0, 0, 0}},
		{"the mean is by weight", reports(time.Hour, []int{100, 200, 300}, 1, 1, 4), 0, []float64{1, 2, 3}},
		{"negative age: new report", reports(-time.Hour, equal, 2, 4, 12), 0, []float64{2, 4, 12}},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := mustNew(t, balancer.Config{Policy: balancer.RoundRobin, SlowStart: -1})
			b.Update(test.all, start)
			b.Load(reported(test.all), start)
			b.Tick(start.Add(test.tick))
			for i, want := range test.want {
				if got := endpoint(t, b, test.all[i].ID).Load(); math.Abs(got-want) > 1e-6 {
					t.Errorf("%s: %v, want %v", test.all[i].ID, got, want)
				}
			}
		})
	}
}

func TestLeastLoadPrefersLessLoadedServerByWeight(t *testing.T) {
	for _, test := range []struct {
		name    string
		weights []int
		loads   []int64
		want    string // id of the server that is always chosen
	}{
		{"fewer requests", []int{100, 100}, []int64{3, 4}, "s0000"},
		{"more requests, but fewer for its weight", []int{100, 200}, []int64{3, 5}, "s0001"},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := mustNew(t, balancer.Config{Policy: balancer.LeastLoad})
			all := reports(0, test.weights, test.loads...)
			b.Update(all, start)
			b.Load(reported(all), start)
			b.Tick(start)
			if got := picked(b, 1000); got[test.want] != 1000 {
				t.Errorf("got %v, want %s only", got, test.want)
			}
		})
	}
}

func TestLoadIgnoresOtherServers(t *testing.T) {
	b := mustNew(t, balancer.Config{})
	all := same(2)
	b.Update(all, start)
	load := func(s *events.Server) { s.Load = &events.Load{InFlight: 9} }
	old := with(with(all[0], load), func(s *events.Server) { s.Incarnation-- })
	stranger := with(with(all[0], load), func(s *events.Server) { s.ID = "stranger" })
	b.Load(reported([]*events.Server{old, stranger, all[1]}), start)
	b.Tick(start)
	for id := range picked(b, 1000) {
		if got := endpoint(t, b, id).Load(); got != 0 {
			t.Errorf("%s: got load %v, want 0 without a report", id, got)
		}
	}
}

func TestNewServerHasMeanLoad(t *testing.T) {
	b := mustNew(t, balancer.Config{SlowStart: -1})
	all := reports(0, []int{100, 100}, 4, 6)
	b.Update(all, start)
	b.Load(reported(all), start)
	b.Tick(start)
	b.Update(same(3), start)
	if got := endpoint(t, b, "s0002").Load(); got != 5 {
		t.Errorf("got %v, want 5", got)
	}
}

func TestNewIncarnationResetsLoad(t *testing.T) {
	b := mustNew(t, balancer.Config{SlowStart: -1})
	all := reports(0, []int{100, 100}, 4, 6)
	b.Update(all, start)
	b.Load(reported(all), start)
	b.Tick(start)
	b.Update([]*events.Server{all[0], with(all[1], func(s *events.Server) { s.Incarnation++ })}, start)
	b.Tick(start)
	if got := endpoint(t, b, "s0001").Load(); got != 4 {
		t.Errorf("got %v, want the mean, 4", got)
	}
}
