package app_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"rollcall/events"
	"rollcall/integration/fixture"
	"rollcall/services/apiserver"
	"rollcall/services/app"
	"rollcall/services/embednsq"
)

// After a restart the registry has the same servers and the same revision. No events are emitted, because no server changed.
func TestRestartKeepsTheRegistry(t *testing.T) {
	nsqd := fixture.NSQD(t, embednsq.NSQDConfig{})
	cfg := quick(nsqd.TCPAddr())
	cfg.Registry.Snapshot = filepath.Join(t.TempDir(), "registry.json")
	first := mustRun(t, cfg)
	first.observe(events.KindHeartbeat, 1, 1)
	fixture.Eventually(t, 5*time.Second, "server listed", func() bool { return len(first.servers()) == 1 })
	before := first.servers()[0]
	if err := first.stop(); err != nil {
		t.Fatal(err)
	}

	again := mustRun(t, cfg)
	servers := again.servers()
	if len(servers) != 1 || servers[0].Key() != before.Key() || servers[0].State != events.StateSuspect || !servers[0].RegisteredAt.Equal(before.RegisteredAt) {
		t.Fatalf("got %+v, want %+v as a suspect", servers, before)
	}
	client := mustClient(t, again.Addr())
	fixture.Eventually(t, 2*time.Second, "ready", func() bool { return client.Ready(t.Context()) == nil })
	again.observe(events.KindHeartbeat, 1, 2)
	fixture.Eventually(t, 2*time.Second, "the server is alive when it is heard", func() bool {
		list, err := client.Servers(t.Context(), apiserver.Query{State: events.StateAlive})
		return err == nil && len(list.Servers) == 1
	})
	if n := again.stats().Transitions[events.TypeRegistered][events.CauseHeartbeat]; n != 0 {
		t.Errorf("%d servers are told as registered, want none", n)
	}
}

// If the snapshot file is unusable, the registry starts empty.
func TestBrokenSnapshotIsIgnored(t *testing.T) {
	nsqd := fixture.NSQD(t, embednsq.NSQDConfig{})
	cfg := quick(nsqd.TCPAddr())
	cfg.Registry.Snapshot = filepath.Join(t.TempDir(), "registry.json")
	if err := os.WriteFile(cfg.Registry.Snapshot, []byte(`{"version":1,"servers":[{`), 0o600); err != nil {
		t.Fatal(err)
	}
	a := mustRun(t, cfg)
	client := mustClient(t, a.Addr())
	fixture.Eventually(t, 10*time.Second, "ready", func() bool { return client.Ready(t.Context()) == nil })
	if n := len(a.servers()); n != 0 {
		t.Errorf("%d servers, want none", n)
	}
}

func TestSecondProcessCannotUseTheSnapshot(t *testing.T) {
	nsqd := fixture.NSQD(t, embednsq.NSQDConfig{})
	cfg := quick(nsqd.TCPAddr())
	folder := t.TempDir()
	cfg.Registry.Snapshot = filepath.Join(folder, "registry.json")
	first := mustRun(t, cfg)
	second := cfg
	second.ID = "api-2"
	second.Registry.Snapshot = filepath.Join(folder, "link.json")
	if err := os.Symlink("registry.json", second.Registry.Snapshot); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second attempt needs the ports, so the first attempt must have closed them
		if _, err := app.ListenAPIServer(second, zap.NewNop()); err == nil || !strings.Contains(err.Error(), "in use by another process") {
			t.Fatalf("got %v, want it refused", err)
		}
	}
	if err := first.stop(); err != nil {
		t.Fatal(err)
	}
	mustRun(t, second)
}
