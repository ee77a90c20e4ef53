package proxy

import (
	"context"
	"fmt"
	"testing"
	"time"

	"rollcall/events"
	"rollcall/services/registry"
)

type noRegistry struct{}

func (noRegistry) Watch(context.Context) <-chan *registry.Membership { return nil }
func (noRegistry) List(context.Context, registry.Query, time.Time) (*registry.Membership, []*events.Server, error) {
	return &registry.Membership{}, nil, nil
}
func (noRegistry) Report(context.Context, registry.Evidence) error { return nil }

// BenchmarkUpdate measures an update in which the state of one server changes, and a tick.
func BenchmarkUpdate(b *testing.B) {
	for _, n := range []int{10, 1000, 100_000} {
		p, err := New(Config{Registry: noRegistry{}})
		if err != nil {
			b.Fatal(err)
		}
		alive := make([]*events.Server, n)
		for i := range alive {
			alive[i] = &events.Server{
				Service: "data", ID: fmt.Sprintf("%06d", i), Addr: fmt.Sprintf("10.0.%d.%d:80", i>>8&255, i&255), State: events.StateAlive, Weight: 100, Incarnation: 1,
			}
		}
		suspected := append([]*events.Server{}, alive...)
		one := *alive[n/2]
		one.State = events.StateSuspect
		suspected[n/2] = &one
		both := []*registry.Membership{registry.NewMembership(alive), registry.NewMembership(suspected)}
		if err := p.update(both[0], time.Now()); err != nil {
			b.Fatal(err)
		}
		i := 0
		b.Run(fmt.Sprint("suspect/", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				i++
				if err := p.update(both[i%2], time.Now()); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(fmt.Sprint("tick/", n), func(b *testing.B) {
			for b.Loop() {
				p.tick(context.Background(), time.Now())
			}
		})
	}
}
