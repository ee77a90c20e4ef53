package app

import (
	"context"
	"slices"

	"go.uber.org/zap"

	"rollcall/services/registry"
)

// logModes logs the registry's modes, and the nsqd that become silent and receiving, until ctx ends. The events of
// these changes wait for a broker; the log must not.
func logModes(ctx context.Context, r *registry.Registry, log *zap.Logger) error {
	mode, silent := registry.ModeWarming, []string(nil)
	for s := range r.Watch(ctx) {
		logSilent(log, silent, s.Silent)
		if s.Mode != mode {
			logMode(ctx, r, log, mode)
		}
		mode, silent = s.Mode, s.Silent
	}
	return nil
}

func logSilent(log *zap.Logger, before, now []string) {
	for _, addr := range now {
		if !slices.Contains(before, addr) {
			log.Warn("nothing comes through nsqd: what it may hold back counts against no server", zap.String("nsqd", addr))
		}
	}
	for _, addr := range before {
		if !slices.Contains(now, addr) {
			log.Info("nsqd is heard again, or has left", zap.String("nsqd", addr))
		}
	}
}

// logMode logs the mode of now, which may be another already than the one that was seen to change.
func logMode(ctx context.Context, r *registry.Registry, log *zap.Logger, before registry.Mode) {
	stats, err := r.Stats(ctx)
	if err != nil {
		return // it stops
	}
	level := zap.InfoLevel
	if stats.Mode == registry.ModeBlind || stats.Mode == registry.ModeHolding {
		level = zap.WarnLevel
	}
	log.Log(level, "registry mode changed", zap.String("mode", string(stats.Mode)), zap.String("previous", string(before)),
		zap.String("detail", stats.ModeDetail))
}
