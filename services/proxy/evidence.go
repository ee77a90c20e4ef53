package proxy

import (
	"context"
	"time"

	"rollcall/services/registry"
)

// accuse queues evidence against a server for the registry, at most once per second for each server. It does not block.
func (s *service) accuse(in *instance, found registry.Finding, began time.Time) {
	now, last := s.p.upstream.Now(), in.reportedAt.Load()
	if last != 0 && time.Duration(now-last) < time.Second || !in.reportedAt.CompareAndSwap(last, now) {
		return
	}
	probe := registry.Probe{Service: s.name, ID: in.id, Addr: in.addr, Incarnation: in.incarnation}
	select {
	case s.p.evidence <- registry.Evidence{Probe: probe, Finding: found, Source: registry.SourceProxy, Began: began, Ended: time.Now()}:
	default: // the queue is full: this evidence is dropped
	}
}

// report sends queued evidence to the registry until ctx ends or the registry stops.
func (p *Proxy) report(ctx context.Context) {
	for {
		select {
		case e := <-p.evidence:
			if p.cfg.Registry.Report(ctx, e) != nil {
				return // the registry stops
			}
		case <-ctx.Done():
			return
		}
	}
}
