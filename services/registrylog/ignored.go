package registrylog

import (
	"context"
	"time"

	"go.uber.org/zap"

	"rollcall/services/registry"
)

const (
	ignoredInterval = 5 * time.Second // time between two queries of the registry
	ignoredQuiet    = time.Minute     // shortest time between two lines with the same cause
)

// ignoredLister is the part of the registry that logIgnored uses.
type ignoredLister interface {
	Ignored(ctx context.Context) ([]registry.IgnoredCause, error)
}

// logIgnored logs the heartbeats that the registry ignores, at most one line per cause and minute. The lines tell the owner of a
// server why the heartbeats of the server have no effect.
func logIgnored(ctx context.Context, r ignoredLister, log *zap.Logger) {
	type line struct {
		count uint64 // number of heartbeats that were ignored for this cause up to this line
		at    time.Time
	}
	lines := make(map[string]line) // last line of each cause
	ticker := time.NewTicker(ignoredInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
		causes, err := r.Ignored(ctx)
		if err != nil {
			return // the registry has stopped
		}
		now := time.Now()
		for _, c := range causes {
			last := lines[c.Cause]
			if c.Count == last.count || !last.at.IsZero() && now.Sub(last.at) < ignoredQuiet {
				continue
			}
			lines[c.Cause] = line{c.Count, now}
			log.Warn("heartbeats are ignored; this cause is logged at most once a minute", zap.String("cause", c.Cause),
				zap.Uint64("count", c.Count-last.count), zap.String("service", c.Service), zap.String("id", c.ID), zap.String("addr", c.Addr),
				zap.Int64("incarnation", c.Incarnation), zap.Uint64("seq", c.Seq), zap.String("via", c.Via), zap.String("detail", c.Detail))
		}
	}
}
