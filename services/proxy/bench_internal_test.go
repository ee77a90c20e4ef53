package proxy

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"rollcall/events"
	"rollcall/services/registry"
)

type noRegistry struct{}

func (noRegistry) Watch(context.Context) <-chan *registry.Membership { return nil }
func (noRegistry) Vitals(context.Context, []*registry.Block, time.Time, []registry.Vitals) ([]registry.Vitals, error) {
	return nil, nil
}
func (noRegistry) Report(context.Context, registry.Evidence) error { return nil }

// replace returns a membership in which one server is replaced. The rest is shared with m, as it is by a registry.
func replace(m *registry.Membership, s *events.Server) *registry.Membership {
	next := *m
	next.Services = slices.Clone(m.Services)
	for i, service := range m.Services {
		if service.Name != s.Service {
			continue
		}
		changed := *service
		changed.Blocks = slices.Clone(service.Blocks)
		next.Services[i] = &changed
		for k, b := range changed.Blocks {
			if j := slices.IndexFunc(b.Servers, func(t *events.Server) bool { return t.ID == s.ID }); j >= 0 {
				block := *b
				block.Servers = slices.Clone(b.Servers)
				block.Servers[j] = s
				changed.Blocks[k] = &block
			}
		}
	}
	return &next
}

// BenchmarkUpdate measures an update in which the state of one server changes, and a tick, for servers in one service and for services with
// five servers each.
func BenchmarkUpdate(b *testing.B) {
	for _, of := range []struct{ services, each int }{{1, 10}, {1, 1000}, {1, 100_000}, {20_000, 5}} {
		p, err := New(Config{Registry: noRegistry{}})
		if err != nil {
			b.Fatal(err)
		}
		alive := make([]*events.Server, 0, of.services*of.each)
		for i := range cap(alive) {
			alive = append(alive, &events.Server{
				Service: fmt.Sprintf("data-%06d", i/of.each), ID: fmt.Sprintf("%06d", i), Addr: fmt.Sprintf("10.0.%d.%d:80", i>>8&255, i&255),
				State: events.StateAlive, Weight: 100, Incarnation: 1,
			})
		}
		one := *alive[len(alive)/2]
		one.State = events.StateSuspect
		all := registry.NewMembership(alive)
		both := []*registry.Membership{replace(all, &one), all}
		if err := p.update(all, time.Now()); err != nil {
			b.Fatal(err)
		}
		name := fmt.Sprintf("/%dx%d", of.services, of.each)
		b.Run("suspect"+name, func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if err := p.update(both[i%2], time.Now()); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run("tick"+name, func(b *testing.B) {
			for b.Loop() {
				p.tick(time.Now())
			}
		})
	}
}
