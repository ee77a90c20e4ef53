// Package registrylog logs what an operator must learn about a registry even if the registry can reach no broker to publish events: changes
// of the mode, nsqd that become silent, conflicts of ids, and heartbeats that the registry ignores.
package registrylog

import (
	"context"

	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"rollcall/services/registry"
)

// Run logs until ctx ends or the registry stops.
func Run(ctx context.Context, r *registry.Registry, log *zap.Logger) error {
	g := new(errgroup.Group)
	g.Go(func() error { logModes(ctx, r, log); return nil })
	g.Go(func() error { logConflicts(ctx, r, log); return nil })
	g.Go(func() error { logIgnored(ctx, r, log); return nil })
	return g.Wait()
}
