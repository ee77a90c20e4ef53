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

func TestConfigNamesWhatIsWrong(t *testing.T) {
	for _, tt := range []struct {
		name string
		cfg  snapshot.Config
		want []string // in the error; none if there is none
	}{
		{"a path and a registry are enough", snapshot.Config{Path: "roll.json", Registry: newRoll()}, nil},
		{"no path", snapshot.Config{Registry: newRoll()}, []string{"path is empty"}},
		{"all that is wrong at once", snapshot.Config{Every: -1}, []string{"path is empty", "registry is nil", "every -1ns"}},
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

// saves records when the registry is asked, since its making, and answers after a while.
type saves struct {
	start time.Time

	mu sync.Mutex
	at []time.Duration
}

func newSaves(r *roll, took time.Duration) *saves {
	s := &saves{start: time.Now()}
	r.save = func(ctx context.Context, now time.Time) (*registry.Saved, error) {
		s.mu.Lock()
		s.at = append(s.at, now.Sub(s.start))
		n := len(s.at)
		s.mu.Unlock()
		select {
		case <-time.After(took):
			return savedOf(n), nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return s
}

// check forgets the times that it has seen.
func (s *saves) check(t *testing.T, want ...time.Duration) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	got := s.at
	s.at = nil
	if !slices.Equal(got, want) {
		t.Errorf("asked at %v, want %v", got, want)
	}
}

const second = time.Second

func TestAtMostOnceInEvery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path, r := newPath(t), newRoll()
		s := newSaves(r, 0)
		run := start(t, snapshot.Config{Path: path, Registry: r})
		for range 36 { // a change each 100 ms
			synctest.Wait()
			time.Sleep(100 * time.Millisecond)
			r.change()
		}
		time.Sleep(20 * time.Second) // the last one is written after the pause
		s.check(t, 0, 1*second, 2*second, 3*second, 4*second)
		if n := len(mustLoad(t, path).Servers); n != 5 {
			t.Errorf("%d servers in the file, want those of the last of 5", n)
		}
		r.change() // after a pause a change does not wait
		synctest.Wait()
		s.check(t, time.Since(s.start))
		if err := run.stop(); err != nil {
			t.Error(err)
		}
	})
}

// The file of a process that is killed while nothing changes is one from which the next process is ready at once.
func TestARollThatDoesNotChangeStaysFresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path, r := newPath(t), newRoll()
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
			t.Errorf("it was written %d times in %v", n, 10*registry.FreshFor)
		}
		if err := run.stop(); err != nil {
			t.Error(err)
		}
	})
}

func TestAtMostATenthOfTheTime(t *testing.T) {
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
				r := newRoll()
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

// A disk that fails is tried again without a change of the roll, and logged when it begins and ends to fail.
func TestAFailureIsRetriedAndLoggedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path, r := newPath(t), newRoll()
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
		logs.TakeAll() // of the files of a crash too
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
			"info the roll is saved again", "warn the roll is not saved; trying again", "info the roll is saved again",
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

func TestARegistryThatDoesNotAnswerIsAskedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path, r := newPath(t), newRoll()
		s := newSaves(r, 0)
		answer, asked := r.save, 0
		r.save = func(ctx context.Context, now time.Time) (*registry.Saved, error) {
			saved, err := answer(ctx, now)
			if asked++; asked < 3 {
				return nil, errors.New("not now")
			}
			return saved, err
		}
		run := start(t, snapshot.Config{Path: path, Registry: r})
		time.Sleep(20 * time.Second)
		synctest.Wait()
		s.check(t, 0, 1*second, 2*second)
		mustLoad(t, path)
		if err := run.stop(); err != nil {
			t.Error(err)
		}
	})
}

func TestLastFile(t *testing.T) {
	hang := func(ctx context.Context, _ time.Time) (*registry.Saved, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	const none = -1
	for _, tt := range []struct {
		name    string
		first   func(context.Context, time.Time) (*registry.Saved, error) // until the end; nil for one server
		wait    time.Duration                                             // until the end
		last    func(context.Context, time.Time) (*registry.Saved, error) // nil for two servers
		servers int                                                       // in the file, or none
		took    time.Duration                                             // of the end
		want    string                                                    // in the error; none if there is none
	}{
		{name: "within the pause", wait: 500 * time.Millisecond, servers: 2},
		{name: "after the pause", wait: time.Minute, servers: 2},
		{name: "while the registry is asked", first: hang, wait: time.Minute, servers: 2},
		{name: "of a registry that does not answer", wait: time.Minute, last: hang, servers: 1, took: 2 * second,
			want: "the last roll is not saved"},
		{name: "of a registry that has stopped", wait: time.Minute, servers: 1,
			last: func(context.Context, time.Time) (*registry.Saved, error) { return nil, registry.ErrStopped }},
		{name: "of a roll that cannot be written", first: hang, wait: time.Minute, servers: none, want: "the last roll is not saved",
			last: func(context.Context, time.Time) (*registry.Saved, error) {
				saved := savedOf(2)
				saved.Observer = "\xff"
				return saved, nil
			}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				path, r := newPath(t), newRoll()
				r.save = func(context.Context, time.Time) (*registry.Saved, error) { return savedOf(1), nil }
				if tt.first != nil {
					r.save = tt.first
				}
				ending := false
				first, last := r.save, tt.last
				if last == nil {
					last = func(context.Context, time.Time) (*registry.Saved, error) { return savedOf(2), nil }
				}
				r.save = func(ctx context.Context, now time.Time) (*registry.Saved, error) {
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
					t.Errorf("the end took %v, want %v", took, tt.took)
				}
				if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
					t.Errorf("got %v, want %q", err, tt.want)
				}
				if tt.servers == none {
					if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
						t.Errorf("got %v, want no file", err)
					}
				} else if n := len(mustLoad(t, path).Servers); n != tt.servers {
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
		end  func(r *roll)
	}{
		{"its changes end", func(r *roll) { close(r.changes) }},
		{"it has stopped when it is asked", func(r *roll) {
			r.save = func(context.Context, time.Time) (*registry.Saved, error) { return nil, registry.ErrStopped }
			r.change()
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				path, r := newPath(t), newRoll()
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
					t.Error("Run goes on")
				}
				checkMetrics(t, metrics, 1, 0, float64(len(mustRead(t, path))))
			})
		})
	}
}

func TestFilesOfACrashAreRemovedAtTheStart(t *testing.T) {
	path := newPath(t)
	beside := func(suffix string) string { return path + suffix }
	ours := []string{beside(".tmp-1"), beside(".tmp-4294967295")}
	others := []string{beside(".tmp-x"), beside(".tmp"), beside(".bak"), filepath.Join(filepath.Dir(path), "other.json.tmp-1")}
	for _, f := range append(slices.Clone(ours), others...) {
		mustPut(t, f, []byte("half"))
	}
	r := newRoll()
	if err := start(t, snapshot.Config{Path: path, Registry: r}).stop(); err != nil {
		t.Error(err)
	}
	mustLoad(t, path)
	for _, f := range ours {
		if _, err := os.Stat(f); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: got %v, want it removed", f, err)
		}
	}
	for _, f := range others {
		if string(mustRead(t, f)) != "half" {
			t.Errorf("%s is not as it was", f)
		}
	}
}
