package registrylog

import (
	"context"
	"time"

	"go.uber.org/zap"

	"rollcall/services/registry"
)

// logConflicts logs when a conflict begins, every minute while the conflict lasts, and when the conflict ends. A conflict means that
// another API server has the id of this API server.
func logConflicts(ctx context.Context, r *registry.Registry, log *zap.Logger) {
	minute := time.NewTicker(time.Minute)
	defer minute.Stop()
	var known *registry.Conflict
	memberships := r.Watch(ctx)
	for {
		select {
		case m, open := <-memberships:
			if !open {
				return
			}
			switch {
			case known == nil && m.Conflict != nil:
				minute.Reset(time.Minute)
				logConflict(log, m.Conflict)
			case known != nil && m.Conflict == nil:
				log.Info("no other API server has the same id any more")
			}
			known = m.Conflict
		case <-minute.C:
			if known != nil {
				logConflict(log, known)
			}
		}
	}
}

func logConflict(log *zap.Logger, c *registry.Conflict) {
	log.Error("another API server has the same id", zap.Time("started_at", c.Started), zap.Bool("ready", !c.Yields), zap.String("detail", c.Detail))
}
