package proxy

import (
	"context"
	"time"

	"rollcall/services/registry"
)

// accuse queues evidence against a server for the registry, at most once a second for each server. It does not block.
func (p *Proxy) accuse(in *instance, found registry.Finding, began time.Time) {
	if !in.mayReport(p.upstream.Now()) {
		return
	}
	select {
	case p.evidence <- registry.Evidence{Probe: in.probe(), Finding: found, Source: registry.SourceProxy, Began: began, Ended: time.Now()}:
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
