package snapshot

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"rollcall/services/registry"
)

// Registry is whose roll is kept; *registry.Registry is one.
type Registry interface {
	Watch(context.Context) <-chan *registry.Membership
	Save(ctx context.Context, now time.Time) (*registry.Saved, error)
}

// Config of a Writer. Path and Registry are required.
type Config struct {
	Path     string // of the file; its folder must be there, see CheckWritable
	Registry Registry
	Every    time.Duration         // at most one file in that time; default 1 s
	Log      *zap.Logger           // default none
	Metrics  prometheus.Registerer // where the metrics are registered, if given
}

func (c *Config) setDefaults() {
	c.Every = cmp.Or(c.Every, time.Second)
	if c.Log == nil {
		c.Log = zap.NewNop()
	}
}

// Validate names every field that cannot work. Zero stands for the default. It does not look at the disk.
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

// Writer writes the roll whenever its membership has changed.
type Writer struct {
	cfg             Config
	written, failed prometheus.Counter
	bytes           prometheus.Gauge

	failing bool // the last one was not written, and that is logged; owned by Run
}

// New starts nothing. The error is that of cfg.Validate or of the registration of metrics.
func New(cfg Config) (*Writer, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg.setDefaults()
	w := &Writer{
		cfg: cfg,
		written: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "rollcall_snapshot_written_total", Help: "How often the roll was written to its file.",
		}),
		failed: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "rollcall_snapshot_failed_total", Help: "How often the roll could not be written to its file.",
		}),
		bytes: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "rollcall_snapshot_bytes", Help: "Size of the file of the roll as it was last written; 0 before.",
		}),
	}
	if cfg.Metrics != nil {
		for _, c := range []prometheus.Collector{w.written, w.failed, w.bytes} {
			if err := cfg.Metrics.Register(c); err != nil {
				return nil, fmt.Errorf("snapshot: register metrics: %w", err)
			}
		}
	}
	return w, nil
}

const (
	// share of the time that is spent on writing is at most one in so many.
	share = 10
	// refresh is when a roll that has not changed is written again: a killed process leaves one that is fresh.
	refresh = registry.FreshFor / 2
	// lastTimeout bounds what the last file waits for the registry, and then for the disk.
	lastTimeout = 2 * time.Second
)

// Run writes the roll at once, then after each change of the membership and every 30 s, at most once in Every and a tenth
// of the time. A change meanwhile is written after the pause, and so is what could not be written. When ctx ends Run
// writes once more, with what each server was last heard to say, so it must end before the registry does; the error is
// that of this last file. Run also ends when the registry does, without a last file. It is called once.
func (w *Writer) Run(ctx context.Context) error {
	if err := removeTemporary(w.cfg.Path); err != nil {
		w.cfg.Log.Warn("files of a crash may be left beside the roll", zap.Error(err))
	}
	changes := w.cfg.Registry.Watch(ctx) // holds the latest while nobody looks
	for w.failing || due(ctx, changes) {
		began := time.Now()
		err := w.save(ctx)
		if ctx.Err() != nil || errors.Is(err, registry.ErrStopped) {
			break
		}
		w.tell(err)
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

// due waits for another membership, or until the file is old, and is false when there will be no other one.
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
	saved, err := w.cfg.Registry.Save(ctx, time.Now())
	if err != nil {
		return 0, err
	}
	type result struct {
		size int64
		err  error
	}
	written := make(chan result, 1)
	go func() { // a disk that hangs knows no context; what it holds ends with it
		size, err := Write(w.cfg.Path, saved)
		written <- result{size, err}
	}()
	select {
	case r := <-written:
		return r.size, r.err
	case <-ctx.Done():
	}
	select { // it has begun and may end in time
	case r := <-written:
		return r.size, r.err
	case <-time.After(lastTimeout):
		return 0, fmt.Errorf("snapshot: %s: not written within %v", w.cfg.Path, lastTimeout)
	}
}

// tell logs the first of several failures, and their end.
func (w *Writer) tell(err error) {
	switch {
	case err != nil && !w.failing:
		w.cfg.Log.Warn("the roll is not saved; trying again", zap.String("path", w.cfg.Path), zap.Error(err))
	case err == nil && w.failing:
		w.cfg.Log.Info("the roll is saved again", zap.String("path", w.cfg.Path))
	}
	w.failing = err != nil
}

// last gives a registry that does not answer no more than lastTimeout.
func (w *Writer) last(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastTimeout)
	defer cancel()
	if err := w.save(ctx); err != nil && !errors.Is(err, registry.ErrStopped) {
		return fmt.Errorf("the last roll is not saved: %w", err)
	}
	return nil
}
