package registry_test

import (
	"context"
	"testing"
	"time"

	"rollcall/events"
	"rollcall/services/registry"
)

func mustNew(t testing.TB, cfg registry.Config) *registry.Registry {
	t.Helper()
	cfg.Observer = "api-1"
	r, err := registry.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// mustRun starts a registry. The function stop ends the registry, and waits until Run has returned.
func mustRun(t testing.TB, cfg registry.Config) (r *registry.Registry, stop func()) {
	t.Helper()
	r = mustNew(t, cfg)
	return r, mustStart(t, r)
}

func mustStart(t testing.TB, r *registry.Registry) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := r.Run(ctx); err != nil {
			t.Errorf("Run: %v", err)
		}
	}()
	stop = func() {
		cancel()
		<-done
	}
	t.Cleanup(stop)
	return stop
}

func mustObserve(t testing.TB, r *registry.Registry, h *events.Heartbeat, at time.Time) {
	t.Helper()
	if err := r.Observe(t.Context(), h, receiptAt(at)); err != nil {
		t.Fatal(err)
	}
}

func mustTick(t testing.TB, r *registry.Registry, now time.Time) {
	t.Helper()
	if err := r.Tick(t.Context(), now, nil); err != nil {
		t.Fatal(err)
	}
}

// mustTicks calls Tick with times that are 250 ms apart. The first time is the parameter from, and no time is after the parameter
// to.
func mustTicks(t testing.TB, r *registry.Registry, from, to time.Time) {
	t.Helper()
	for at := from; !at.After(to); at = at.Add(250 * time.Millisecond) {
		mustTick(t, r, at)
	}
}

func mustMembers(t testing.TB, r *registry.Registry) *registry.Membership {
	t.Helper()
	s, err := r.Members(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// leaveOf returns a leave message with the fields of heartbeatOf(i, seq).
func leaveOf(i int, seq uint64) *events.Heartbeat {
	h := heartbeatOf(i, seq)
	h.Type = events.KindLeave
	return h
}
