package proxy

import (
	"context"
	"time"

	"rollcall/services/registry"
)

// accuse tells the registry what was met at the server of the attempt, at most once a second of one server.
func (x *exchange) accuse(found registry.Finding, began time.Time) {
	l := x.pool // by now another server may have the id
	clock, last := x.p.clock.Load(), l.reportedAt.Load()
	if last != 0 && time.Duration(clock-last) < time.Second || !l.reportedAt.CompareAndSwap(last, clock) {
		return
	}
	select {
	case x.p.evidence <- registry.Evidence{
		Probe:   registry.Probe{Service: x.service.name, ID: l.id, Addr: l.addr, Incarnation: l.incarnation},
		Finding: found, Source: registry.SourceProxy, Began: began, Ended: time.Now(),
	}:
	default: // there is more than enough of it
	}
}

// report hands the evidence to the registry until ctx ends.
func (p *Proxy) report(ctx context.Context) {
	for {
		select {
		case e := <-p.evidence:
			if p.cfg.Registry.Report(ctx, e) != nil {
				return // it stops
			}
		case <-ctx.Done():
			return
		}
	}
}
