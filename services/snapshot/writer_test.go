package snapshot_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"rollcall/services/registry"
	"rollcall/services/snapshot"
)

func TestConfigValidation(t *testing.T) {
	for _, tt := range []struct {
		name string
		cfg  snapshot.Config
		want []string // texts that the error must contain; empty: no error
	}{
		{"a path and a registry are enough", snapshot.Config{Path: "roll.json", Registry: newFakeRegistry()}, nil},
		{"no path", snapshot.Config{Registry: newFakeRegistry()}, []string{"path is empty"}},
		{"all errors are reported at once", snapshot.Config{Every: -1}, []string{"path is empty", "registry is nil", "every -1ns"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w, err := snapshot.New(tt.cfg)
			if (err == nil) != (len(tt.want) == 0) || (w == nil) != (err != nil) {
				t.Fatalf("got %v, %v", w, err)
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), "snapshot: "+want) {
					t.Errorf("%q does not name %q", err, want)
				}
			}
		})
	}
}

// saves records the times at which the Writer asks for snapshots. The times count from the call of newSaves.
type saves struct {
	start time.Time

	mu sync.Mutex
	at []time.Duration
}

func newSaves(r *fakeRegistry, took time.Duration) *saves {
	s := &saves{start: time.Now()}
	r.save = func(ctx context.Context, now time.Time) (*registry.Snapshot, error) {
		s.mu.Lock()
		s.at = append(s.at, now.Sub(s.start))
		n := len(s.at)
		s.mu.Unlock()
		select {
		case <-time.After(took):
			return snapshotOf(n), nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return s
}

// check compares the recorded times with want, and then deletes the record.
func (s *saves) check(t *testing.T, want ...time.Duration) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	got := s.at
	s.at = nil
	if !slices.Equal(got, want) {
		t.Errorf("snapshots at %v, want %v", got, want)
	}
}

const second = time.Second

func TestWritesAreAtLeastEveryApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path, r := newPath(t), newFakeRegistry()
		s := newSaves(r, 0)
		run := start(t, snapshot.Config{Path: path, Registry: r})
		for range 36 { // one change every 100 ms
			synctest.Wait()
			time.Sleep(100 * time.Millisecond)
			r.change()
		}
		time.Sleep(20 * time.Second) // the pause between two writes delays the last change, but does not lose it
		s.check(t, 0, 1*second, 2*second, 3*second, 4*second)
		if n := len(mustReadSnapshot(t, path).Servers); n != 5 {
			t.Errorf("%d servers in the file, want the 5 of the fifth snapshot", n)
		}
		r.change() // the last write was long ago, so the Writer writes this change at once
		synctest.Wait()
		s.check(t, time.Since(s.start))
		if err := run.stop(); err != nil {
			t.Error(err)
		}
	})
}

// A process that is killed must leave a fresh snapshot even if the membership has not changed for a long time.
func TestUnchangedSnapshotStaysFresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path, r := newPath(t), newFakeRegistry()
		s := newSaves(r, 0)
		run := start(t, snapshot.Config{Path: path, Registry: r})
		time.Sleep(10 * registry.FreshFor)
		synctest.Wait()
		s.mu.Lock()
		times := append(slices.Clone(s.at), time.Since(s.start))
		s.mu.Unlock()
		var last time.Duration
		for _, at := range times {
			if old := at - last; old >= registry.FreshFor*9/10 {
				t.Errorf("at %v the file was %v old", at, old)
			}
			last = at
		}
		if n := len(times); n > 25 {
			t.Errorf("written %d times in %v", n, 10*registry.FreshFor)
		}
		if err := run.stop(); err != nil {
			t.Error(err)
		}
	})
}

func TestWritesTakeAtMostATenthOfTheTime(t *testing.T) {
	for _, tt := range []struct {
		name  string
		every time.Duration
		took  time.Duration
		want  []time.Duration
	}{
		{"a quick disk", 0, 100 * time.Millisecond, []time.Duration{0, 1100 * time.Millisecond, 2200 * time.Millisecond}},
		{"a slow disk", 0, second, []time.Duration{0, 11 * second, 22 * second}},
		{"a slow disk and a longer pause", 20 * second, second, []time.Duration{0, 21 * second, 42 * second}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newFakeRegistry()
				s := newSaves(r, tt.took)
				run := start(t, snapshot.Config{Path: newPath(t), Registry: r, Every: tt.every})
				for time.Since(s.start) < tt.want[2] {
					r.change()
					time.Sleep(50 * time.Millisecond)
				}
				synctest.Wait()
				s.check(t, tt.want...)
				if err := run.stop(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// A failed write is retried even without a change. Only the first failure and the next success are logged.
func TestFailedWriteIsRetriedAndLoggedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path, r := newPath(t), newFakeRegistry()
		s := newSaves(r, 0)
		core, logs := observer.New(zap.InfoLevel)
		metrics := prometheus.NewRegistry()
		away := filepath.Dir(path) + ".away"
		mustRename(t, filepath.Dir(path), away)
		run := start(t, snapshot.Config{Path: path, Registry: r, Log: zap.New(core), Metrics: metrics})
		time.Sleep(3500 * time.Millisecond)
		synctest.Wait()
		s.check(t, 0, 1*second, 2*second, 3*second)
		checkMetrics(t, metrics, 0, 4, 0)
		logs.TakeAll() // also the warning that temporary files may remain
		mustRename(t, away, filepath.Dir(path))
		time.Sleep(20 * time.Second)
		synctest.Wait()
		s.check(t, 4*second)
		checkMetrics(t, metrics, 1, 4, float64(len(mustRead(t, path))))
		r.change()
		time.Sleep(20 * time.Second)
		mustRename(t, filepath.Dir(path), away)
		r.change()
		time.Sleep(2500 * time.Millisecond)
		mustRename(t, away, filepath.Dir(path))
		time.Sleep(20 * time.Second)
		synctest.Wait()
		checkMetrics(t, metrics, 3, 7, float64(len(mustRead(t, path))))
		var got []string
		for _, e := range logs.All() {
			got = append(got, e.Level.String()+" "+e.Message)
		}
		if want := []string{
			"info snapshot written again", "warn snapshot not written; will retry", "info snapshot written again",
		}; !slices.Equal(got, want) {
			t.Errorf("logged %q, want %q", got, want)
		}
		if err := run.stop(); err != nil {
			t.Error(err)
		}
	})
}

func mustRename(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

func checkMetrics(t *testing.T, g prometheus.Gatherer, written, failed, bytes float64) {
	t.Helper()
	families, err := g.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, f := range families {
		m := f.GetMetric()[0]
		got[f.GetName()] = m.GetCounter().GetValue() + m.GetGauge().GetValue()
	}
	for name, want := range map[string]float64{"written_total": written, "failed_total": failed, "bytes": bytes} {
		if v, ok := got["rollcall_snapshot_"+name]; !ok || v != want {
			t.Errorf("%s: got %v (%v), want %v", name, v, ok, want)
		}
	}
}

func TestFailedRequestForASnapshotIsRetried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path, r := newPath(t), newFakeRegistry()
		s := newSaves(r, 0)
		save, calls := r.save, 0
		r.save = func(ctx context.Context, now time.Time) (*registry.Snapshot, error) {
			saved, err := save(ctx, now)
			if calls++; calls < 3 {
				return nil, errors.New("not now")
			}
			return saved, err
		}
		run := start(t, snapshot.Config{Path: path, Registry: r})
		time.Sleep(20 * time.Second)
		synctest.Wait()
		s.check(t, 0, 1*second, 2*second)
		mustReadSnapshot(t, path)
		if err := run.stop(); err != nil {
			t.Error(err)
		}
	})
}

func TestLastWrite(t *testing.T) {
	hang := func(ctx context.Context, _ time.Time) (*registry.Snapshot, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	const none = -1
	for _, tt := range []struct {
		name    string
		first   func(context.Context, time.Time) (*registry.Snapshot, error) // replaces Registry.Snapshot until the ctx of the writer ends; nil: returns a snapshot of one server
		wait    time.Duration                                                // from the start until ctx ends
		last    func(context.Context, time.Time) (*registry.Snapshot, error) // replaces Registry.Snapshot after the ctx of the writer has ended; nil: returns a snapshot of two servers
		servers int                                                          // number of servers in the file; -1: there is no file
		took    time.Duration                                                // from the end of ctx until Run returns
		want    string                                                       // text that the error must contain; empty: no error
	}{
		{name: "during the pause between writes", wait: 500 * time.Millisecond, servers: 2},
		{name: "after the pause", wait: time.Minute, servers: 2},
		{name: "while Run waits for the registry", first: hang, wait: time.Minute, servers: 2},
		{name: "a registry that does not respond", wait: time.Minute, last: hang, servers: 1, took: 2 * second,
			want: "last snapshot not written"},
		{name: "a registry that has stopped", wait: time.Minute, servers: 1,
			last: func(context.Context, time.Time) (*registry.Snapshot, error) { return nil, registry.ErrStopped }},
		{name: "a snapshot that cannot be encoded", first: hang, wait: time.Minute, servers: none, want: "last snapshot not written",
			last: func(context.Context, time.Time) (*registry.Snapshot, error) {
				saved := snapshotOf(2)
				saved.Observer = "\xff"
				return saved, nil
			}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				path, r := newPath(t), newFakeRegistry()
				r.save = func(context.Context, time.Time) (*registry.Snapshot, error) { return snapshotOf(1), nil }
				if tt.first != nil {
					r.save = tt.first
				}
				ending := false
				first, last := r.save, tt.last
				if last == nil {
					last = func(context.Context, time.Time) (*registry.Snapshot, error) { return snapshotOf(2), nil }
				}
				r.save = func(ctx context.Context, now time.Time) (*registry.Snapshot, error) {
					if ending {
						return last(ctx, now)
					}
					return first(ctx, now)
				}
				run := start(t, snapshot.Config{Path: path, Registry: r})
				time.Sleep(tt.wait)
				synctest.Wait()
				ending = true
				began := time.Now()
				err := run.stop()
				if took := time.Since(began); took != tt.took {
					t.Errorf("stop took %v, want %v", took, tt.took)
				}
				if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
					t.Errorf("got %v, want %q", err, tt.want)
				}
				if tt.servers == none {
					if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
						t.Errorf("got %v, want no file", err)
					}
				} else if n := len(mustReadSnapshot(t, path).Servers); n != tt.servers {
					t.Errorf("%d servers in the file, want %d", n, tt.servers)
				}
				checkAlone(t, path)
			})
		})
	}
}

func TestRunEndsWithTheRegistry(t *testing.T) {
	for _, tt := range []struct {
		name string
		end  func(r *fakeRegistry)
	}{
		{"the watch ends", func(r *fakeRegistry) { close(r.changes) }},
		{"the request for a snapshot returns ErrStopped", func(r *fakeRegistry) {
			r.save = func(context.Context, time.Time) (*registry.Snapshot, error) { return nil, registry.ErrStopped }
			r.change()
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				path, r := newPath(t), newFakeRegistry()
				metrics := prometheus.NewRegistry()
				run := start(t, snapshot.Config{Path: path, Registry: r, Metrics: metrics})
				time.Sleep(20 * time.Second)
				synctest.Wait()
				tt.end(r)
				synctest.Wait()
				select {
				case err := <-run.ended:
					if err != nil {
						t.Error(err)
					}
				default:
					t.Error("Run has not returned")
				}
				checkMetrics(t, metrics, 1, 0, float64(len(mustRead(t, path))))
			})
		})
	}
}

func TestTemporaryFilesOfACrashAreRemoved(t *testing.T) {
	path := newPath(t)
	beside := func(suffix string) string { return path + suffix }
	ours := []string{beside(".tmp-1"), beside(".tmp-4294967295")}
	others := []string{beside(".tmp-x"), beside(".tmp"), beside(".bak"), filepath.Join(filepath.Dir(path), "other.json.tmp-1")}
	for _, f := range append(slices.Clone(ours), others...) {
		mustPut(t, f, []byte("half"))
	}
	r := newFakeRegistry()
	if err := start(t, snapshot.Config{Path: path, Registry: r}).stop(); err != nil {
		t.Error(err)
	}
	mustReadSnapshot(t, path)
	for _, f := range ours {
		if _, err := os.Stat(f); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: got %v, want it removed", f, err)
		}
	}
	for _, f := range others {
		if string(mustRead(t, f)) != "half" {
			t.Errorf("%s has changed", f)
		}
	}
}
