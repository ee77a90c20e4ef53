package proxy

import (
	"context"
	"fmt"
	"math"
	"testing"
	"time"

	"rollcall/events"
	"rollcall/services/balancer"
	"rollcall/services/registry"
)

// loadRegistry returns the loads of servers, and counts how often it was asked for the first block.
type loadRegistry struct {
	noRegistry
	asked int
}

func (r *loadRegistry) Vitals(_ context.Context, blocks []*registry.Block, _ time.Time, into []registry.Vitals) ([]registry.Vitals, error) {
	for _, b := range blocks {
		for _, s := range b.Servers {
			if s.ID == "0000" {
				r.asked++
			}
			into = append(into, registry.Vitals{Load: s.Load})
		}
	}
	return into, nil
}

func TestPickByLeastLoadReadsLoadsOncePerSecond(t *testing.T) {
	r := &loadRegistry{}
	p, err := New(Config{Registry: r})
	if err != nil {
		t.Fatal(err)
	}
	var servers []*events.Server
	for i := range 2000 { // more blocks than one step
		servers = append(servers, &events.Server{
			Service: "data", ID: fmt.Sprintf("%04d", i), Addr: "10.0.0.1:80", State: events.StateAlive, Weight: 100, IntervalMS: 1e9, Load: &events.Load{InFlight: int64(i)},
		})
	}
	now := time.Now()
	if err := p.update(registry.NewMembership(servers), now); err != nil {
		t.Fatal(err)
	}
	p.tick(now)
	for second := range 3 {
		for range 10 {
			if _, err := p.Pick(t.Context(), "data", balancer.LeastLoad, ""); err != nil {
				t.Fatal(err)
			}
		}
		if r.asked != second+1 {
			t.Errorf("the loads were read %d times in %d seconds", r.asked, second+1)
		}
		for range 4 {
			now = now.Add(time.Second / 4)
			p.tick(now)
		}
	}
	e, err := (*p.services.Load())["data"].balancer.PickBy(balancer.Random, 0)
	if err != nil || math.Round(e.Load()) != float64(e.Server().Load.InFlight) {
		t.Errorf("the load of %s is %v, want %d; %v", e.Server().ID, e.Load(), e.Server().Load.InFlight, err)
	}
}
