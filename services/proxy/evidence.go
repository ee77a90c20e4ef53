package proxy

import (
	"context"
	"time"

	"rollcall/services/registry"
)

// accuse reports evidence against a server to the registry, at most once a second for each server.
func (p *Proxy) accuse(in *instance, found registry.Finding, began time.Time) {
	if !in.mayReport(p.upstream.Now()) {
		return
	}
	select {
	case p.evidence <- registry.Evidence{Probe: in.probe(), Finding: found, Source: registry.SourceProxy, Began: began, Ended: time.Now()}:
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
