package registrylog

import (
	"context"
	"slices"

	"go.uber.org/zap"

	"rollcall/services/registry"
)

// logModes logs each change of the mode, and each nsqd that becomes silent or delivers messages again.
func logModes(ctx context.Context, r *registry.Registry, log *zap.Logger) {
	mode, silent := registry.ModeWarming, []string(nil)
	for m := range r.Watch(ctx) {
		logSilent(log, silent, m.Silent)
		if m.Mode != mode {
			logMode(ctx, r, log, mode)
		}
		mode, silent = m.Mode, m.Silent
	}
}

func logSilent(log *zap.Logger, before, now []string) {
	for _, addr := range now {
		if !slices.Contains(before, addr) {
			log.Warn("nsqd is silent: heartbeats that it may hold back count against no server", zap.String("nsqd", addr))
		}
	}
	for _, addr := range before {
		if !slices.Contains(now, addr) {
			log.Info("nsqd is no longer silent, or is no longer known", zap.String("nsqd", addr))
		}
	}
}

// logMode logs the current mode. The mode may have changed again after the membership in which the caller saw a change.
func logMode(ctx context.Context, r *registry.Registry, log *zap.Logger, before registry.Mode) {
	stats, err := r.Stats(ctx)
	if err != nil {
		return // the registry has stopped
	}
	level := zap.InfoLevel
	if stats.Mode == registry.ModeBlind || stats.Mode == registry.ModeHolding {
		level = zap.WarnLevel
	}
	log.Log(level, "registry mode changed", zap.String("mode", string(stats.Mode)), zap.String("previous", string(before)),
		zap.String("detail", stats.ModeDetail))
}
