package snapshot_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"rollcall/events"
	"rollcall/services/registry"
	"rollcall/services/snapshot"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// snapshotOf returns a snapshot with the given number of servers and one tombstone.
func snapshotOf(servers int) *registry.Snapshot {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	s := &registry.Snapshot{Version: registry.SnapshotVersion, Observer: "api-1", SavedAt: now, Revision: uint64(servers)}
	for i := range servers {
		s.Servers = append(s.Servers, &events.Server{
			Service: "data", ID: fmt.Sprintf("%032x", i), Addr: fmt.Sprintf("10.%d.%d.%d:8080", i>>16, i>>8&255, i&255),
			State: events.StateAlive, Incarnation: 1763812345678, Seq: 42, IntervalMS: 5000, TTLMS: 10_000, Weight: 100,
			Zone: "a", Version: "1.4.2", Tags: []string{"blue", "größer"}, Meta: events.NewMeta(map[string]string{"rack": "r7", "x": "<&>"}),
			Load: &events.Load{InFlight: 3}, RegisteredAt: now, LastSeen: now.Add(time.Millisecond), AgeMS: 7, Via: "127.0.0.1:4150",
		})
	}
	s.Tombstones = []registry.Tombstone{{
		Service: "data", ID: "gone", Incarnation: 1763812345678, Ordinal: 42, Type: events.TypeLeft, Reason: events.CauseLeave, Time: now,
	}}
	return s
}

// newPath returns the path of a file that does not exist, in a directory that exists.
func newPath(t testing.TB) string { return filepath.Join(t.TempDir(), "roll.json") }

func mustWrite(t testing.TB, path string, saved *registry.Snapshot) (size int64) {
	t.Helper()
	size, err := snapshot.Write(path, saved)
	if err != nil {
		t.Fatal(err)
	}
	return size
}

func mustReadSnapshot(t testing.TB, path string) *registry.Snapshot {
	t.Helper()
	saved, err := snapshot.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	return saved
}

func mustRead(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func mustPut(t testing.TB, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// checkAlone checks that the directory of path contains no other file.
func checkAlone(t *testing.T, path string) {
	t.Helper()
	files, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if f.Name() != filepath.Base(path) {
			t.Errorf("%s was not removed", f.Name())
		}
	}
}

// fakeRegistry is a Registry whose membership changes when the test calls change.
type fakeRegistry struct {
	changes chan *registry.Membership // capacity 1, like the channel that the Watch of the registry returns
	save    func(ctx context.Context, now time.Time) (*registry.Snapshot, error)
}

func newFakeRegistry() *fakeRegistry {
	r := &fakeRegistry{changes: make(chan *registry.Membership, 1)}
	r.save = func(context.Context, time.Time) (*registry.Snapshot, error) { return snapshotOf(3), nil }
	r.change()
	return r
}

func (r *fakeRegistry) Watch(context.Context) <-chan *registry.Membership { return r.changes }

func (r *fakeRegistry) Snapshot(ctx context.Context, now time.Time) (*registry.Snapshot, error) {
	return r.save(ctx, now)
}

// change sends a new membership, unless the channel still holds the previous membership.
func (r *fakeRegistry) change() {
	select {
	case r.changes <- &registry.Membership{}:
	default:
	}
}

func mustNew(t testing.TB, cfg snapshot.Config) *snapshot.Writer {
	t.Helper()
	w, err := snapshot.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// run is a call of Writer.Run that is in progress.
type run struct {
	cancel context.CancelFunc
	ended  chan error // result of Run; capacity 1, so that Run can return before the test calls stop
}

func start(t testing.TB, cfg snapshot.Config) *run {
	t.Helper()
	w := mustNew(t, cfg)
	ctx, cancel := context.WithCancel(context.Background())
	r := &run{cancel, make(chan error, 1)}
	go func() { r.ended <- w.Run(ctx) }()
	t.Cleanup(cancel)
	return r
}

func (r *run) stop() error {
	r.cancel()
	return <-r.ended
}
