package balancer_test

import (
	"testing"
	"time"

	"rollcall/events"
	"rollcall/services/balancer"
)

func TestEndpointSurvivesAbsence(t *testing.T) {
	all := same(2)
	for _, test := range []struct {
		name     string
		inFlight int
		absent   time.Duration
		survives bool
	}{
		{"less than a minute", 0, time.Minute - time.Nanosecond, true},
		{"a minute", 0, time.Minute, false},
		{"an hour, with a request in flight", 1, time.Hour, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := mustNew(t, balancer.Config{Policy: balancer.Random})
			b.Update(all, start)
			e := endpoint(t, b, "s0001")
			for range test.inFlight {
				e.Begin()
			}
			b.Update(all[:1], start)
			b.Tick(start.Add(test.absent))
			b.Update(all, start.Add(test.absent))
			if got := endpoint(t, b, "s0001") == e; got != test.survives {
				t.Errorf("survives: %v, want %v", got, test.survives)
			}
		})
	}
}

func TestEndpointsOfServersThatLeftAreLimited(t *testing.T) {
	b := mustNew(t, balancer.Config{})
	first := same(1)
	b.Update(first, start)
	leaked := endpoint(t, b, "s0000")
	leaked.Begin() // Done is never called
	for i := range 5 {
		now := start.Add(time.Duration(i+1) * time.Second)
		all := same(1000)
		for _, s := range all {
			s.ID = string(rune('a'+i)) + s.ID
		}
		b.Update(all, now)
		for range 20_000 { // 20 requests for each server on average, so that nearly every server gets a request
			b.Pick(0, nil).Begin()
		}
	}
	b.Update(nil, start.Add(time.Hour))
	b.Update(first, start.Add(time.Hour))
	if endpoint(t, b, "s0000") == leaked {
		t.Error("the endpoint still exists after 5000 other servers left")
	}
}

func TestDoneForServerThatLeft(t *testing.T) {
	all := same(3)
	b := mustNew(t, balancer.Config{})
	b.Update(all, start)
	e := endpoint(t, b, "s0001")
	for range 6 {
		e.Begin()
	}
	b.Update([]*events.Server{all[0], all[2]}, start)
	for range 6 {
		if b.Done(e, balancer.Failed, start.Add(time.Hour)) {
			t.Error("a server that left was ejected")
		}
	}
	if s := b.Stats(); e.InFlight() != 0 || s.Ejected != 0 || s.Ejections != 0 {
		t.Errorf("%d requests in flight, %+v", e.InFlight(), s)
	}
}

func TestUpdateIgnoresNilAndKeepsLastOfEqualIDs(t *testing.T) {
	all := same(2)
	newer := with(all[1], func(s *events.Server) { s.Addr = "newer" })
	b := mustNew(t, balancer.Config{})
	b.Update([]*events.Server{nil, all[1], all[0], newer}, start)
	if s := b.Stats(); s.Servers != 2 || s.Usable != 2 {
		t.Errorf("stats: %+v, want two servers", s)
	}
	if got := endpoint(t, b, "s0001").Server(); got != newer {
		t.Errorf("got %+v, want the last server with the id", got)
	}
}
