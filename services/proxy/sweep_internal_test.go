package proxy

import (
	"testing"
	"time"

	"rollcall/events"
	"rollcall/services/registry"
)

// A tick sweeps only services that change with time, and sweeps them until they do not.
func TestServicesThatNeedNoSweepAreQuiet(t *testing.T) {
	p := mustNew(t, Config{})
	server := func(id string) *events.Server {
		return &events.Server{Service: "data", ID: id, Addr: "10.0.0.1:80", State: events.StateAlive, Weight: 100, Incarnation: 1}
	}
	now := time.Now()
	update := func(servers ...*events.Server) {
		t.Helper()
		if err := p.update(registry.NewMembership(servers), now); err != nil {
			t.Fatal(err)
		}
	}
	a, b := server("a"), server("b")
	var s *service
	var in *instance
	for _, step := range []struct {
		name  string
		after time.Duration
		do    func()
		awake bool // the service is swept again after the tick
	}{
		{"a service without requests", 0, func() { update(a); s = (*p.services.Load())["data"] }, false},
		{"a choice by the API", 0, func() { _, _ = p.Pick(t.Context(), "data", "", "") }, false},
		{"a server may have connections", 0, func() { in = s.instance(s.balancer.Pick(0, nil)) }, true},
		{"it still may", 0, func() {}, true},
		{"it has left", 0, func() { s.retire(in, now, false) }, false},
		{"a retry counts in the budget", 0, func() { s.budget.take(); s.wake() }, true},
		{"the retry does not count any more", 0, func() {
			for range 4 * (budgetWindow + 1) {
				now = now.Add(time.Second / 4)
				p.tick(now)
			}
		}, false},
		{"slow start of a new server", 0, func() { update(a, b) }, true},
		{"the slow start goes on", time.Second, func() {}, true},
		{"the slow start is over", time.Minute, func() {}, false},
		{"no servers", 0, func() { update() }, true},
		{"no servers for a minute", time.Minute, func() {}, true},
		{"the service is forgotten", time.Second, func() {}, false},
		{"a request has looked it up before", 0, func() { s.wake() }, false},
	} {
		now = now.Add(step.after)
		step.do()
		p.tick(now)
		if got := len(p.awake.services) == 1 && s.awake.Load(); got != step.awake || len(p.awake.services) > 1 {
			t.Errorf("%s: swept again: %v, want %v; %d services", step.name, got, step.awake, len(p.awake.services))
		}
	}
	if len(*p.services.Load()) != 0 {
		t.Error("the empty service is not forgotten")
	}
}
