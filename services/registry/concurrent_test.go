package registry_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"rollcall/events"
	"rollcall/services/registry"
)

// The test calls all methods of a Registry concurrently, also while Run stops. The race detector finds data races, goleak finds
// goroutines that do not end, and the counts show lost heartbeats and events.
func TestConcurrentUseAndStop(t *testing.T) {
	const observers, beats, servers = 8, 5000, 200
	r, stop := mustRun(t, registry.Config{Mailbox: 64, Outbox: 1 << 16})
	var callers sync.WaitGroup
	repeat := func(f func(t *testing.T, r *registry.Registry) error) {
		callers.Go(func() {
			for {
				if err := f(t, r); err != nil {
					if !errors.Is(err, registry.ErrStopped) {
						t.Errorf("got %v, want nil or ErrStopped", err)
					}
					return
				}
			}
		})
	}
	for name, call := range methods {
		if name != "Observe" && name != "Explain" {
			repeat(func(t *testing.T, r *registry.Registry) error { return call(t.Context(), r) })
		}
	}
	repeat(func(t *testing.T, r *registry.Registry) error { // this watcher joins and leaves again and again
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		w := r.Watch(ctx)
		if s, open := <-w; !open {
			return registry.ErrStopped
		} else if s.Len() > servers {
			t.Errorf("%d servers, want at most %d", s.Len(), servers)
		}
		return nil
	})
	repeat(func(t *testing.T, r *registry.Registry) error { // so does this watcher of one service
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		w := r.WatchService(ctx, "data")
		for range 2 {
			if s, open := <-w; !open {
				return registry.ErrStopped
			} else if n := s.Service("data").Len(); n > servers {
				t.Errorf("%d servers, want at most %d", n, servers)
			}
		}
		return nil
	})
	callers.Go(func() { // this watcher of one service stays until the registry stops
		generation := uint64(0)
		for m := range r.WatchService(t.Context(), "data") {
			s := m.Service("data")
			if s == nil {
				continue
			}
			if s.Generation <= generation {
				t.Errorf("generation %d after %d", s.Generation, generation)
			}
			generation = s.Generation
		}
	})
	callers.Go(func() { // this watcher stays until the registry stops
		revision := uint64(0)
		for s := range r.Watch(t.Context()) {
			if s.Revision < revision {
				t.Errorf("revision %d after %d", s.Revision, revision)
			}
			revision = s.Revision
		}
	})
	r.Watch(t.Context()) // this watcher does not read its channel

	revision := uint64(0)
	callers.Go(func() { // this caller reads events slowly, and calls Stats after each batch
		for batch := range r.Events() {
			for _, e := range batch {
				if got := e.Details().Revision; got != revision+1 {
					t.Errorf("event %d after %d", got, revision)
				}
				revision++
			}
			if _, err := r.Stats(t.Context()); err != nil && !errors.Is(err, registry.ErrStopped) {
				t.Error(err)
			}
		}
	})

	var sent sync.WaitGroup
	for o := range observers {
		sent.Go(func() { observeMany(t, r, o, beats, servers) })
	}
	sent.Wait()
	stats, err := r.Stats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var applied uint64
	for _, n := range stats.Heartbeats {
		applied += n
	}
	if applied != observers*beats {
		t.Errorf("%d heartbeats were applied, want %d", applied, observers*beats)
	}

	for o := range observers { // Run stops during these calls
		callers.Go(func() { observeMany(t, r, o, 1<<30, servers) })
	}
	mustTick(t, r, time.Now())
	stop()
	callers.Wait()
	for _, e := range r.Unsent() {
		if revision++; e.Details().Revision != revision {
			t.Fatalf("event %d is unsent, want %d", e.Details().Revision, revision)
		}
	}
}

// observeMany passes heartbeats, restarts and leaves of all servers to r. It stops after a number of messages (the parameter
// beats), or when r has stopped.
func observeMany(t *testing.T, r *registry.Registry, observer, beats, servers int) {
	for i := range beats {
		h := heartbeatOf(i%servers, uint64(i/servers+1))
		h.Incarnation += int64(i / (10 * servers))
		if i%97 == observer {
			h.Type = events.KindLeave
		}
		if err := r.Observe(t.Context(), h, receiptAt(time.Now())); err != nil {
			if !errors.Is(err, registry.ErrStopped) {
				t.Errorf("got %v, want nil or ErrStopped", err)
			}
			return
		}
	}
}

// Observe must allocate nothing. The one allocation that the test allows is the heartbeat, which the test makes itself.
func TestObserveAllocatesNothing(t *testing.T) {
	r, _ := mustRun(t, registry.Config{})
	now := time.Now()
	first := heartbeatOf(1, 1)
	mustObserve(t, r, first, now)
	ctx, receipt, seq := t.Context(), receiptAt(now), uint64(1)
	const beats = 100
	if got := testing.AllocsPerRun(20, func() {
		for range beats {
			h := *first
			seq++
			h.Seq = seq
			if err := r.Observe(ctx, &h, receipt); err != nil {
				t.Fatal(err)
			}
		}
	}); got > beats*1.05 { // AllocsPerRun also counts what the runtime allocates meanwhile
		t.Errorf("%v allocations for %d heartbeats", got, beats)
	}
	mustTick(t, r, now)
}
