package app

import (
	"context"
	"time"

	"go.uber.org/zap"

	"rollcall/services/registry"
)

// logConflicts logs another API server with the same id when it is heard first, each minute after that, and when it is
// gone, until ctx ends.
func logConflicts(ctx context.Context, r *registry.Registry, log *zap.Logger) error {
	minute := time.NewTicker(time.Minute)
	defer minute.Stop()
	var known *registry.Conflict
	memberships := r.Watch(ctx)
	for {
		select {
		case s, open := <-memberships:
			if !open {
				return nil
			}
			switch {
			case known == nil && s.Conflict != nil:
				minute.Reset(time.Minute)
				logConflict(log, s.Conflict)
			case known != nil && s.Conflict == nil:
				log.Info("no other api server with this id is heard any more")
			}
			known = s.Conflict
		case <-minute.C:
			if known != nil {
				logConflict(log, known)
			}
		}
	}
}

func logConflict(log *zap.Logger, c *registry.Conflict) {
	log.Error("another api server has the same id", zap.Time("started_at", c.Started), zap.Bool("ready", !c.Yields), zap.String("detail", c.Detail))
}
