package snapshot

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"rollcall/pipeline/metric"
	"rollcall/services/registry"
)

// Registry is the source of snapshots; *registry.Registry implements it.
type Registry interface {
	Watch(context.Context) <-chan *registry.Membership
	Snapshot(ctx context.Context, now time.Time) (*registry.Snapshot, error)
}

// Config configures a Writer. Path and Registry are required.
type Config struct {
	Path     string // path of the file, whose directory must exist; see CheckWritable
	Registry Registry
	Every    time.Duration         // shortest time between two writes; default 1 s
	Log      *zap.Logger           // default none
	Metrics  prometheus.Registerer // default none
}

func (c *Config) setDefaults() {
	c.Every = cmp.Or(c.Every, time.Second)
	if c.Log == nil {
		c.Log = zap.NewNop()
	}
}

// Validate returns one error for each invalid field. Zero values stand for the defaults. Validate does not access the disk.
func (c Config) Validate() error {
	c.setDefaults()
	var errs []error
	if c.Path == "" {
		errs = append(errs, errors.New("snapshot: path is empty"))
	}
	if c.Registry == nil {
		errs = append(errs, errors.New("snapshot: registry is nil"))
	}
	if c.Every <= 0 {
		errs = append(errs, fmt.Errorf("snapshot: every %v is not positive", c.Every))
	}
	return errors.Join(errs...)
}

// Writer writes a snapshot of the registry whenever the membership has changed.
type Writer struct {
	cfg             Config
	written, failed prometheus.Counter
	bytes           prometheus.Gauge

	failing bool // whether the last write failed; only Run uses this field
}

// New returns a Writer that does not run yet. New fails if cfg is invalid or a metric cannot be registered.
func New(cfg Config) (*Writer, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg.setDefaults()
	w := &Writer{
		cfg: cfg,
		written: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "rollcall_snapshot_written_total", Help: "Snapshots that were written.",
		}),
		failed: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "rollcall_snapshot_failed_total", Help: "Snapshots that could not be written.",
		}),
		bytes: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "rollcall_snapshot_bytes", Help: "Size of the last snapshot that was written; 0 before the first.",
		}),
	}
	if err := metric.Register(cfg.Metrics, "snapshot", w.written, w.failed, w.bytes); err != nil {
		return nil, err
	}
	return w, nil
}

const (
	// share limits the time that Run spends on writing: after a write that took the duration d, Run waits at least share*d.
	share = 10
	// refresh is the age at which Run writes an unchanged snapshot again. Therefore a process that is killed leaves a fresh
	// snapshot.
	refresh = registry.FreshFor / 2
	// lastTimeout is how long the last write waits for the registry, and then how long it waits for the disk.
	lastTimeout = 2 * time.Second
)

// Run writes a snapshot at once, then after each change of the membership and every 30 s. Writes are at least Config.Every apart,
// and take at most a tenth of the time. A change during the pause after a write waits for the next write. If a write fails, Run
// tries again after such a pause. When ctx ends, Run writes a last snapshot and returns the error of this write. Therefore ctx
// must end before the registry stops. If the registry stops first, Run returns nil. Call Run once.
func (w *Writer) Run(ctx context.Context) error {
	if err := removeTemporary(w.cfg.Path); err != nil {
		w.cfg.Log.Warn("temporary files of a crash may remain beside the snapshot", zap.Error(err))
	}
	changes := w.cfg.Registry.Watch(ctx) // the channel keeps the latest membership while Run writes
	for w.failing || due(ctx, changes) {
		began := time.Now()
		err := w.save(ctx)
		if ctx.Err() != nil || errors.Is(err, registry.ErrStopped) {
			break
		}
		w.logResult(err)
		select {
		case <-time.After(max(w.cfg.Every, share*time.Since(began))):
		case <-ctx.Done():
		}
	}
	if ctx.Err() == nil {
		return nil
	}
	return w.last(ctx)
}

// due waits until the membership changes or the duration refresh has passed. It returns false if ctx has ended or the registry
// has stopped.
func due(ctx context.Context, changes <-chan *registry.Membership) bool {
	select {
	case <-time.After(refresh):
		return true
	case _, open := <-changes:
		return open
	case <-ctx.Done():
		return false
	}
}

func (w *Writer) save(ctx context.Context) error {
	size, err := w.write(ctx)
	switch {
	case err == nil:
		w.written.Inc()
		w.bytes.Set(float64(size))
	case ctx.Err() == nil && !errors.Is(err, registry.ErrStopped):
		w.failed.Inc()
	}
	return err
}

func (w *Writer) write(ctx context.Context) (size int64, err error) {
	saved, err := w.cfg.Registry.Snapshot(ctx, time.Now())
	if err != nil {
		return 0, err
	}
	type result struct {
		size int64
		err  error
	}
	written := make(chan result, 1)
	go func() { // Write ignores ctx: if the disk hangs, this goroutine ends when the disk responds
		size, err := Write(w.cfg.Path, saved)
		written <- result{size, err}
	}()
	select {
	case r := <-written:
		return r.size, r.err
	case <-ctx.Done():
	}
	select { // ctx ended during the write, which may still end in time
	case r := <-written:
		return r.size, r.err
	case <-time.After(lastTimeout):
		return 0, fmt.Errorf("snapshot: %s: not written within %v", w.cfg.Path, lastTimeout)
	}
}

// logResult logs only the first of several failures in a row, and the first success after a failure.
func (w *Writer) logResult(err error) {
	switch {
	case err != nil && !w.failing:
		w.cfg.Log.Warn("snapshot not written; will retry", zap.String("path", w.cfg.Path), zap.Error(err))
	case err == nil && w.failing:
		w.cfg.Log.Info("snapshot written again", zap.String("path", w.cfg.Path))
	}
	w.failing = err != nil
}

// last writes the last snapshot. It takes at most twice lastTimeout: once for the registry and once for the disk.
func (w *Writer) last(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastTimeout)
	defer cancel()
	if err := w.save(ctx); err != nil && !errors.Is(err, registry.ErrStopped) {
		return fmt.Errorf("last snapshot not written: %w", err)
	}
	return nil
}
