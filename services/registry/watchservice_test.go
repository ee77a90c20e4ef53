package registry_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"rollcall/events"
	"rollcall/services/registry"
)

// serviceHeartbeat returns a heartbeat of a server of another service than heartbeatOf.
func serviceHeartbeat(service string, id int) *events.Heartbeat {
	h := heartbeatOf(id, 1)
	h.Service = service
	return h
}

func mustLeave(t *testing.T, r *registry.Registry, h *events.Heartbeat) {
	t.Helper()
	leave := *h
	leave.Type, leave.Seq = events.KindLeave, h.Seq+1
	mustObserve(t, r, &leave, time.Now())
}

func TestWatchService(t *testing.T) {
	for name, play := range map[string]func(*testing.T, *registry.Registry){
		"the first membership is the current one": func(t *testing.T, r *registry.Registry) {
			mustObserve(t, r, serviceHeartbeat("web", 1), time.Now())
			for _, service := range []string{"web", "none"} {
				if m := mustReceive(t, r.WatchService(t.Context(), service)); m != mustMembers(t, r) {
					t.Errorf("%s: got %+v, want the current membership", service, m)
				}
			}
		},
		"no membership is sent twice": func(t *testing.T, r *registry.Registry) {
			first := r.WatchService(t.Context(), "web")
			mustReceive(t, first)
			mustObserve(t, r, serviceHeartbeat("web", 1), time.Now())
			mustReceive(t, first)
			second := r.WatchService(t.Context(), "web")
			mustReceive(t, second)
			mustTick(t, r, time.Now())
			mustReceiveNothing(t, first)
			mustReceiveNothing(t, second)
		},
		"only changes of the service are sent": func(t *testing.T, r *registry.Registry) {
			mustObserve(t, r, serviceHeartbeat("web", 1), time.Now())
			web, data, none := r.WatchService(t.Context(), "web"), r.WatchService(t.Context(), "data"), r.WatchService(t.Context(), "none")
			for _, w := range []<-chan *registry.Membership{web, data, none} {
				mustReceive(t, w)
			}
			mustObserve(t, r, serviceHeartbeat("data", 1), time.Now())
			if s := mustReceive(t, data).Service("data"); s.Len() != 1 {
				t.Errorf("%d servers, want 1", s.Len())
			}
			mustReceiveNothing(t, web)
			mustReceiveNothing(t, none)
		},
		"a change that Members returns first is sent": func(t *testing.T, r *registry.Registry) {
			web := r.WatchService(t.Context(), "web")
			mustReceive(t, web)
			mustObserve(t, r, serviceHeartbeat("web", 1), time.Now())
			want := mustMembers(t, r)
			if m := mustReceive(t, web); m != want {
				t.Errorf("got %+v, want what Members returned", m)
			}
		},
		"a service appears and vanishes": func(t *testing.T, r *registry.Registry) {
			web := r.WatchService(t.Context(), "web")
			mustReceive(t, web)
			h := serviceHeartbeat("web", 1)
			mustObserve(t, r, h, time.Now())
			if s := mustReceive(t, web).Service("web"); s.Len() != 1 {
				t.Errorf("%d servers, want 1", s.Len())
			}
			mustLeave(t, r, h)
			if s := mustReceive(t, web).Service("web"); s != nil {
				t.Errorf("got %+v after the last server has left, want nil", s)
			}
		},
		"a slow reader receives the latest": func(t *testing.T, r *registry.Registry) {
			web := r.WatchService(t.Context(), "web")
			for i := range 5 {
				mustObserve(t, r, serviceHeartbeat("web", i), time.Now())
				mustTick(t, r, time.Now())
			}
			if s := mustReceive(t, web).Service("web"); s.Len() != 5 {
				t.Errorf("%d servers, want 5", s.Len())
			}
			mustReceiveNothing(t, web)
		},
		"many watchers of one service": func(t *testing.T, r *registry.Registry) {
			var all []<-chan *registry.Membership
			for range 100 {
				w := r.WatchService(t.Context(), "web")
				mustReceive(t, w)
				all = append(all, w)
			}
			mustObserve(t, r, serviceHeartbeat("web", 1), time.Now())
			want := mustMembers(t, r)
			for _, w := range all {
				if m := mustReceive(t, w); m != want {
					t.Fatalf("got %+v, want the same membership for all", m)
				}
			}
		},
		"the end of the context closes only its own channel": func(t *testing.T, r *registry.Registry) {
			ctx, cancel := context.WithCancel(t.Context())
			mine, other := r.WatchService(ctx, "web"), r.WatchService(t.Context(), "web")
			mustReceive(t, mine)
			mustReceive(t, other)
			cancel()
			synctest.Wait()
			if s, open := <-mine; open {
				t.Errorf("received %+v", s)
			}
			mustObserve(t, r, serviceHeartbeat("web", 1), time.Now())
			mustReceive(t, other)
		},
		"watchers come and go": func(t *testing.T, r *registry.Registry) {
			for i := range 3 {
				ctx, cancel := context.WithCancel(t.Context())
				w := r.WatchService(ctx, "web")
				if s := mustReceive(t, w).Service("web"); s.Len() != i {
					t.Errorf("%d servers, want %d", s.Len(), i)
				}
				cancel()
				synctest.Wait()
				mustObserve(t, r, serviceHeartbeat("web", i), time.Now())
				mustTick(t, r, time.Now())
			}
		},
		"the end of the registry closes the channel": func(t *testing.T, r *registry.Registry) {
			stopped, stop := mustRun(t, registry.Config{})
			w := stopped.WatchService(t.Context(), "web")
			mustReceive(t, w)
			stop()
			for _, w := range []<-chan *registry.Membership{w, stopped.WatchService(t.Context(), "web")} {
				if s, open := <-w; open {
					t.Errorf("received %+v", s)
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

// BenchmarkWatchService changes one service, while the benchmark watches as many other services as the name says. The cost must not depend
// on their number.
func BenchmarkWatchService(b *testing.B) {
	for _, watched := range []int{1, 1000} {
		b.Run(fmt.Sprint(watched), func(b *testing.B) {
			r := mustNew(b, registry.Config{})
			mustStart(b, r)
			for i := range watched {
				r.WatchService(b.Context(), fmt.Sprint("other-", i))
			}
			web := r.WatchService(b.Context(), "web")
			<-web
			h := serviceHeartbeat("web", 1)
			for b.Loop() {
				h.Incarnation++
				again := *h
				mustObserve(b, r, &again, time.Now())
				<-web
			}
		})
	}
}
