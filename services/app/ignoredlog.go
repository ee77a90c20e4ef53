package app

import (
	"context"
	"time"

	"go.uber.org/zap"

	"rollcall/services/registry"
)

const (
	ignoredLook  = 5 * time.Second // how often the registry is asked what it ignores
	ignoredQuiet = time.Minute     // between two lines of one cause
)

// ignoring tells what was ignored, by cause.
type ignoring interface {
	Ignored(ctx context.Context) ([]registry.IgnoredCause, error)
}

// logIgnored logs the heartbeats that the registry ignores, one line a minute and cause, until ctx ends. Whoever publishes them
// must not have to guess why.
func logIgnored(ctx context.Context, r ignoring, log *zap.Logger) error {
	type line struct {
		count uint64 // that was told
		at    time.Time
	}
	lines := make(map[string]line)
	ticker := time.NewTicker(ignoredLook)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return nil
		}
		causes, err := r.Ignored(ctx)
		if err != nil {
			return nil // it stops
		}
		now := time.Now()
		for _, c := range causes {
			last := lines[c.Cause]
			if c.Count == last.count || !last.at.IsZero() && now.Sub(last.at) < ignoredQuiet {
				continue
			}
			lines[c.Cause] = line{c.Count, now}
			log.Warn("heartbeats are ignored; more of this cause are not logged for a minute", zap.String("cause", c.Cause),
				zap.Uint64("count", c.Count-last.count), zap.String("service", c.Service), zap.String("id", c.ID), zap.String("addr", c.Addr),
				zap.Int64("incarnation", c.Incarnation), zap.Uint64("seq", c.Seq), zap.String("via", c.Via), zap.String("detail", c.Detail))
		}
	}
}
