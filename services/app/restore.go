package app

import (
	"errors"
	"io/fs"

	"go.uber.org/zap"

	"rollcall/services/registry"
	"rollcall/services/snapshot"
)

// restored returns the servers in the snapshot of the previous process. It returns nil if there is no usable file: the registry then starts
// empty, and heartbeats fill it.
func restored(path string, log *zap.Logger) *registry.Snapshot {
	if path == "" {
		return nil
	}
	saved, err := snapshot.Read(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		log.Info("there is no snapshot yet", zap.String("path", path))
		return nil
	case err != nil:
		log.Warn("the snapshot is not used: the registry starts empty", zap.String("path", path), zap.Error(err))
		return nil
	}
	log.Info("the registry is restored: its servers are probed", zap.String("path", path), zap.Int("servers", len(saved.Servers)),
		zap.Time("saved_at", saved.SavedAt))
	return saved
}
