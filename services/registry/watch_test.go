package registry_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"rollcall/events"
	"rollcall/services/registry"
)

// mustReceive returns the membership that is ready in a channel that Watch or WatchService returned. It fails the test if none is ready.
func mustReceive(t *testing.T, from <-chan *registry.Membership) *registry.Membership {
	t.Helper()
	synctest.Wait()
	select {
	case s, open := <-from:
		if !open {
			t.Fatal("the channel is closed")
		}
		return s
	default:
		t.Fatal("nothing to receive")
	}
	return nil
}

func mustReceiveNothing(t *testing.T, from <-chan *registry.Membership) {
	t.Helper()
	synctest.Wait()
	select {
	case s, open := <-from:
		t.Fatalf("received %+v (open: %v), want nothing", s, open)
	default:
	}
}

func TestWatch(t *testing.T) {
	for name, play := range map[string]func(*testing.T, *registry.Registry){
		"the first membership is the current one": func(t *testing.T, r *registry.Registry) {
			mustObserve(t, r, heartbeatOf(1, 1), time.Now())
			if s := mustReceive(t, r.Watch(t.Context())); s.Len() != 1 {
				t.Errorf("%d servers, want 1", s.Len())
			}
		},
		"no membership is sent twice": func(t *testing.T, r *registry.Registry) {
			first := r.Watch(t.Context())
			mustReceive(t, first)
			mustObserve(t, r, heartbeatOf(1, 1), time.Now())
			mustReceive(t, first)
			second := r.Watch(t.Context())
			mustReceive(t, second)
			mustTick(t, r, time.Now())
			mustReceiveNothing(t, first)
			mustReceiveNothing(t, second)
		},
		"a heartbeat that changes nothing sends no membership": func(t *testing.T, r *registry.Registry) {
			mustObserve(t, r, heartbeatOf(1, 1), time.Now())
			w := r.Watch(t.Context())
			mustReceive(t, w)
			mustObserve(t, r, heartbeatOf(1, 2), time.Now())
			mustTick(t, r, time.Now())
			mustReceiveNothing(t, w)
		},
		"a slow reader receives the latest membership": func(t *testing.T, r *registry.Registry) {
			w := r.Watch(t.Context())
			for i := range 5 {
				mustObserve(t, r, heartbeatOf(i, 1), time.Now())
				mustTick(t, r, time.Now())
			}
			if s := mustReceive(t, w); s.Len() != 5 || s.Revision != 5 {
				t.Errorf("%d servers at revision %d, want 5 at 5", s.Len(), s.Revision)
			}
			mustReceiveNothing(t, w)
		},
		"the end of mode warming sends a membership": func(t *testing.T, r *registry.Registry) {
			start := time.Now()
			mustTick(t, r, start)
			w := r.Watch(t.Context())
			if s := mustReceive(t, w); s.Mode != registry.ModeWarming || s.Complete {
				t.Errorf("mode %s, complete %v; want warming and not complete", s.Mode, s.Complete)
			}
			mustTicks(t, r, start, start.Add(5*time.Second))
			if s := mustReceive(t, w); s.Mode != registry.ModeWarming || !s.Complete {
				t.Errorf("mode %s, complete %v after an interval; want warming and complete", s.Mode, s.Complete)
			}
			mustTicks(t, r, start.Add(5*time.Second), start.Add(15*time.Second))
			if s := mustReceive(t, w); s.Mode != registry.ModeNormal {
				t.Errorf("mode %s, want normal", s.Mode)
			}
		},
		"the end of the context closes only its own channel": func(t *testing.T, r *registry.Registry) {
			ctx, cancel := context.WithCancel(t.Context())
			mine, other := r.Watch(ctx), r.Watch(t.Context())
			mustReceive(t, mine)
			mustReceive(t, other)
			cancel()
			synctest.Wait()
			if s, open := <-mine; open {
				t.Errorf("received %+v", s)
			}
			mustObserve(t, r, heartbeatOf(1, 1), time.Now())
			mustReceive(t, other)
		},
		"a watcher that does not read delays no events": func(t *testing.T, r *registry.Registry) {
			r.Watch(t.Context())
			for i := range 100 {
				mustObserve(t, r, heartbeatOf(i, 1), time.Now())
				if e := (<-r.Events())[0]; e.Type() != events.TypeRegistered || e.Details().Revision != uint64(i)+1 {
					t.Fatalf("got %s %d, want registered %d", e.Type(), e.Details().Revision, i+1)
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r, stop := mustRun(t, registry.Config{})
				play(t, r)
				stop()
			})
		})
	}
}

// A watcher may already wait on its channel when Run accepts the call of Watch. The watcher then takes the first membership at
// once, and Run must not send this membership again. The many heartbeats in the mailbox keep Run busy, so that the watcher waits
// before Run accepts the call.
func TestWatchSendsTheFirstMembershipOnce(t *testing.T) {
	for range 20 {
		r := mustNew(t, registry.Config{Mailbox: 2000})
		for i := range 2000 {
			mustObserve(t, r, heartbeatOf(i, 1), time.Now())
		}
		received := make(chan int)
		go func() {
			n := 0
			for range r.Watch(t.Context()) {
				n++
			}
			received <- n
		}()
		stop := mustStart(t, r)
		for range 3 {
			mustTick(t, r, time.Now())
		}
		stop()
		if n := <-received; n > 1 {
			t.Fatalf("one membership was received %d times", n)
		}
	}
}
