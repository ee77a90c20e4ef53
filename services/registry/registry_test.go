package registry_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"rollcall/events"
	"rollcall/services/registry"
)

// methods has the methods of Registry that wait for Run and that return when their context ends.
var methods = map[string]func(context.Context, *registry.Registry) error{
	"Observe": func(ctx context.Context, r *registry.Registry) error {
		return r.Observe(ctx, heartbeatOf(1, 1), receiptAt(time.Now()))
	},
	"Tick": func(ctx context.Context, r *registry.Registry) error { return r.Tick(ctx, time.Now(), nil) },
	"Members": func(ctx context.Context, r *registry.Registry) error {
		_, err := r.Members(ctx)
		return err
	},
	"Vitals": func(ctx context.Context, r *registry.Registry) error {
		membership, err := r.Members(ctx)
		if err != nil {
			return err
		}
		for _, service := range membership.Services {
			if _, err := r.Vitals(ctx, service.Blocks, time.Now(), nil); err != nil {
				return err
			}
		}
		return nil
	},
	"Explain": func(ctx context.Context, r *registry.Registry) error {
		_, err := r.Explain(ctx, "data", "a", time.Now())
		return err
	},
	"Report": func(ctx context.Context, r *registry.Registry) error { return r.Report(ctx, registry.Evidence{}) },
	"Snapshot": func(ctx context.Context, r *registry.Registry) error {
		_, err := r.Snapshot(ctx, time.Now())
		return err
	},
	"Stats": func(ctx context.Context, r *registry.Registry) error {
		_, err := r.Stats(ctx)
		return err
	},
}

func TestMethodsAfterRunReturned(t *testing.T) {
	r, stop := mustRun(t, registry.Config{})
	mustObserve(t, r, heartbeatOf(1, 1), time.Now())
	mustTick(t, r, time.Now())
	watching := r.Watch(t.Context())
	stop()
	for name, call := range methods {
		t.Run(name, func(t *testing.T) {
			for range 20 { // several attempts, because select chooses a random case among the ready cases
				if err := call(t.Context(), r); !errors.Is(err, registry.ErrStopped) {
					t.Fatalf("got %v, want ErrStopped", err)
				}
			}
		})
	}
	t.Run("Watch returns a closed channel", func(t *testing.T) {
		if s, open := <-r.Watch(t.Context()); open {
			t.Errorf("got %v", s)
		}
	})
	t.Run("channels that Watch returned are closed", func(t *testing.T) {
		if s := <-watching; s.Len() != 1 {
			t.Errorf("got %v, want the last membership first", s)
		}
		if s, open := <-watching; open {
			t.Errorf("got %v", s)
		}
	})
	t.Run("the channel of Probes is closed", func(t *testing.T) {
		if p, open := <-r.Probes(); open {
			t.Errorf("got %v", p)
		}
	})
	t.Run("the channel of Events is closed, and Unsent has the events that are left", func(t *testing.T) {
		if e, open := <-r.Events(); open {
			t.Errorf("got %v", e)
		}
		if unsent := r.Unsent(); len(unsent) != 1 || unsent[0].Type() != events.TypeRegistered {
			t.Errorf("unsent %v, want one registered event", unsent)
		}
	})
}

func TestMethodsReturnWhenTheContextEnds(t *testing.T) {
	for name, call := range methods {
		t.Run(name+" before Run", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := mustNew(t, registry.Config{Mailbox: 1})
				mustObserve(t, r, heartbeatOf(1, 1), time.Now()) // this heartbeat fills the mailbox
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				start := time.Now()
				if err := call(ctx, r); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("got %v, want the error of the context", err)
				}
				if waited := time.Since(start); waited != time.Minute {
					t.Errorf("waited %v, want a minute", waited)
				}
			})
		})
	}
	t.Run("Watch before Run", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := mustNew(t, registry.Config{})
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			if s, open := <-r.Watch(ctx); open {
				t.Errorf("got %v, want a closed channel", s)
			}
		})
	})
}

func TestObserveBlocksWhileTheMailboxIsFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := mustNew(t, registry.Config{Mailbox: 2})
		mustObserve(t, r, heartbeatOf(1, 1), time.Now())
		mustObserve(t, r, heartbeatOf(2, 1), time.Now())
		observed := make(chan error, 1)
		go func() { observed <- r.Observe(t.Context(), heartbeatOf(3, 1), receiptAt(time.Now())) }()
		synctest.Wait()
		if len(observed) > 0 {
			t.Fatal("Observe returned although the mailbox was full")
		}
		stop := mustStart(t, r)
		if err := <-observed; err != nil {
			t.Fatal(err)
		}
		if s := mustMembers(t, r); s.Len() != 3 {
			t.Errorf("%d servers, want 3", s.Len())
		}
		stop()
	})
}

// A call sees all heartbeats that entered the mailbox before the call, even if Run receives the call first.
func TestCallSeesEarlierHeartbeats(t *testing.T) {
	const beats = 2000 // several batches
	for range 10 {
		r := mustNew(t, registry.Config{Mailbox: beats})
		for i := range beats {
			mustObserve(t, r, heartbeatOf(i, 1), time.Now())
		}
		synced := make(chan int, 1)
		go func() {
			s, err := r.Members(t.Context())
			if err != nil {
				t.Error(err)
				s = &registry.Membership{}
			}
			synced <- s.Len()
		}()
		stop := mustStart(t, r)
		if got := <-synced; got != beats {
			t.Fatalf("a call saw %d of %d heartbeats", got, beats)
		}
		stop()
	}
}

func TestOutboxDropsTheOldestEvents(t *testing.T) {
	r, stop := mustRun(t, registry.Config{Outbox: 3})
	for i := range 5 {
		mustObserve(t, r, heartbeatOf(i, 1), time.Now())
	}
	stats, err := r.Stats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if stats.Outbox != 3 || stats.Dropped != 2 || stats.Revision != 5 || stats.Transitions[events.TypeRegistered][events.CauseHeartbeat] != 5 || stats.Heartbeats["taken"] != 5 {
		t.Errorf("got %+v, want 3 in the outbox, 2 dropped of 5", stats)
	}
	left := <-r.Events()
	if len(left) != 3 || left[0].Details().Revision != 3 || left[2].Details().Revision != 5 {
		t.Errorf("received %v, want the revisions 3 to 5", left)
	}
	stop()
	if unsent := r.Unsent(); len(unsent) != 0 {
		t.Errorf("unsent %v, want none", unsent)
	}
}

// The test checks the times of the events of a server that sends a heartbeat every 5 s for a minute, and then stops.
func TestTimesOfEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, stop := mustRun(t, registry.Config{})
		start := time.Now()
		var running sync.WaitGroup
		running.Go(func() {
			for seq := uint64(1); seq <= 12; seq++ {
				mustObserve(t, r, heartbeatOf(1, seq), time.Now())
				time.Sleep(5 * time.Second)
			}
		})
		running.Go(func() {
			time.Sleep(time.Millisecond) // so that a tick and a heartbeat never come at the same time
			for time.Since(start) < 70*time.Second {
				mustTick(t, r, time.Now())
				time.Sleep(250 * time.Millisecond)
			}
		})
		last := 55 * time.Second
		for _, want := range []struct {
			typ events.Type
			at  time.Duration
		}{
			{events.TypeRegistered, 0},
			{events.TypeMode, 15*time.Second + time.Millisecond}, // the mode warming ends
			{events.TypeSuspected, last + 7*time.Second + time.Millisecond},
			{events.TypeExpired, last + 10*time.Second + time.Millisecond},
		} {
			batch := <-r.Events()
			e := batch[0]
			if at := e.Details().Time.Sub(start); len(batch) != 1 || e.Type() != want.typ || at != want.at || time.Since(start) != want.at {
				t.Errorf("%s at %v, received after %v; want %s at %v", e.Type(), at, time.Since(start), want.typ, want.at)
			}
		}
		running.Wait()
		stop()
	})
}

func TestExplainDescribesTheEnd(t *testing.T) {
	r, _ := mustRun(t, registry.Config{})
	mustObserve(t, r, heartbeatOf(1, 1), time.Now())
	id := heartbeatOf(1, 1).ID
	e, err := r.Explain(t.Context(), "data", id, time.Now())
	if err != nil || e.Server.ID != id || len(e.Heartbeats) != 1 || len(e.Transitions) != 1 {
		t.Errorf("got %+v, %v; want one heartbeat and one transition", e, err)
	}
	mustObserve(t, r, leaveOf(1, 2), time.Now())
	for name, want := range map[string]string{id: "rollcall.server.left (leave) at ", "nobody": "never registered"} {
		_, err := r.Explain(t.Context(), "data", name, time.Now())
		prefix := "registry: no such server: data/" + name + ": " + want
		if !errors.Is(err, registry.ErrNotFound) || len(err.Error()) < len(prefix) || err.Error()[:len(prefix)] != prefix {
			t.Errorf("got %q, want %q", err, prefix)
		}
	}
}
