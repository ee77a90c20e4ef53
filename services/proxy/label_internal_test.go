package proxy

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"rollcall/events"
	"rollcall/services/registry"
)

// labels returns the number of series for each value of the label "service".
func labels(t *testing.T, from prometheus.Gatherer) map[string]int {
	t.Helper()
	families, err := from.Gather()
	if err != nil {
		t.Fatal(err)
	}
	values := make(map[string]int)
	for _, family := range families {
		for _, m := range family.GetMetric() {
			for _, l := range m.GetLabel() {
				if l.GetName() == "service" {
					values[l.GetValue()]++
				}
			}
		}
	}
	return values
}

func TestServicesAboveLimitShareLabel(t *testing.T) {
	metrics := prometheus.NewPedanticRegistry()
	p := mustNew(t, Config{Metrics: metrics, Dial: func(context.Context, string) (net.Conn, error) { return nil, errors.New("refused") }})
	now := time.Now()
	update := func(names ...string) {
		t.Helper()
		var servers []*events.Server
		for _, name := range names {
			servers = append(servers, &events.Server{Service: name, ID: "a", Addr: "10.0.0.1:80", State: events.StateAlive, Weight: 100})
		}
		if err := p.update(registry.NewMembership(servers), now); err != nil {
			t.Fatal(err)
		}
		for _, s := range *p.services.Load() { // create the metrics of each service, as its first request does
			s.metrics().observe(200, time.Millisecond)
		}
	}
	var invented []string
	for i := range 3000 {
		invented = append(invented, fmt.Sprintf("s%04d", i))
	}
	update("first")
	update(append(slices.Clone(invented), "other")...)
	of := labels(t, metrics)
	if len(of) != 1001 || of["first"] == 0 || of["other"] == 0 {
		t.Errorf("%d values of the label, want 1000 and other", len(of))
	}
	if got := p.ServiceLabel("first"); got != "first" {
		t.Errorf("ServiceLabel: got %s, want first", got)
	}

	update("late")
	p.tick(now)
	p.tick(now.Add(2 * forgetAfter))
	if left := slices.Collect(maps.Keys(*p.services.Load())); len(left) != 1 {
		t.Errorf("%d services are left, want 1", len(left))
	}
	of = labels(t, metrics)
	if len(of) != 1 || of["other"] == 0 {
		t.Errorf("%d values of the label after the services were removed (%d series of other), want only other", len(of), of["other"])
	}
	update("new", "late")
	if of = labels(t, metrics); of["new"] == 0 {
		t.Error("a service that is added when there is room has no value of its own")
	}
}
