package apiserver_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"rollcall/events"
	"rollcall/services/apiserver"
	"rollcall/services/registry"
)

// index returns the index of the list with a filter.
func (r *harness) index(filter string) uint64 {
	r.t.Helper()
	var list apiserver.ServerList
	mustDecode(r.t, r.do("GET", "/v1/servers?"+filter).Body.Bytes(), &list)
	return list.Index
}

// poll returns the target of a long poll with the current index of the list with a filter.
func (r *harness) poll(filter, wait string) string {
	r.t.Helper()
	target := fmt.Sprintf("/v1/servers?index=%d", r.index(filter))
	for _, part := range []string{filter, wait} {
		if part != "" {
			target += "&" + part
		}
	}
	return target
}

func TestLongPoll(t *testing.T) {
	arrives := func(service, zone string) func(*harness) {
		return func(r *harness) {
			h := heartbeat(service, "red", "10.0.0.1:80", 1)
			h.Zone = zone
			r.deliver(9*time.Second, h)
		}
	}
	recovers := func(r *harness) { r.deliver(9*time.Second, heartbeat("web", "10.0.0.9:80", "10.0.0.9:80", 0)) }
	leaves := func(r *harness) {
		h := heartbeat("web", "10.0.0.9:80", "10.0.0.9:80", 0)
		h.Type, h.Incarnation = events.KindLeave, 0
		r.deliver(9*time.Second, h)
	}
	stops := func(r *harness) { r.stop() }
	const changed, unchanged = 3 * time.Second, 10 * time.Second
	for _, tt := range []struct {
		name, filter, wait string
		after              func(*harness) // called 3 s after the poll began
		status             int
		took               time.Duration
		servers            int
	}{
		{"a change ends the wait", "", "wait=30s", arrives("data", ""), 200, changed, 4},
		{"a recovery ends the wait", "", "wait=30s", recovers, 200, changed, 3},
		{"a renewed lease does not end the wait", "", "wait=10s", func(r *harness) {
			green := heartbeat("data", "green", "10.0.0.8:8080", 3)
			green.Zone, green.Weight, green.Tags = "b", 0, []string{"green"}
			r.deliver(9*time.Second, green)
		}, 200, unchanged, 3},
		{"no change: the list at the end of the wait", "", "wait=10s", nil, 200, 10 * time.Second, 3},
		{"the default wait", "", "", nil, 200, 30 * time.Second, 3},
		{"the longest wait", "", "wait=5m", nil, 200, 5 * time.Minute, 3},
		{"the registry stops", "", "wait=30s", stops, 503, changed, 0},

		{"a service: a server arrives", "service=data", "wait=10s", arrives("data", ""), 200, changed, 3},
		{"a service: a server recovers", "service=web", "wait=10s", recovers, 200, changed, 1},
		{"a service: its last server leaves", "service=web", "wait=10s", leaves, 200, changed, 0},
		{"a service without servers: the first arrives", "service=new", "wait=10s", arrives("new", ""), 200, changed, 1},
		{"a service: another service changes", "service=web", "wait=10s", arrives("data", ""), 200, unchanged, 1},
		{"a service without servers: another service changes", "service=new", "wait=10s", arrives("data", ""), 200, unchanged, 0},
		{"a service: no change", "service=data", "wait=10s", nil, 200, unchanged, 2},
		{"a service: the registry stops", "service=data", "wait=10s", stops, 503, changed, 0},

		{"a filter: a server of it arrives", "zone=a", "wait=10s", arrives("web", "a"), 200, changed, 2},
		{"a filter: another server arrives", "zone=a", "wait=10s", arrives("data", "b"), 200, unchanged, 1},
		{"a filter: a server joins it", "state=alive", "wait=10s", recovers, 200, changed, 2},
		{"a filter: a server leaves it", "state=suspect", "wait=10s", recovers, 200, changed, 0},
		{"a filter: another server changes", "tag=green", "wait=10s", recovers, 200, unchanged, 1},
		{"a filter: a server ends", "state=suspect", "wait=10s", leaves, 200, changed, 0},
		{"a filter: the registry stops", "zone=a", "wait=10s", stops, 503, changed, 0},

		{"a service with a filter: a server of it arrives", "service=data&zone=a", "wait=10s", arrives("data", "a"), 200, changed, 2},
		{"a service with a filter: another server arrives", "service=data&zone=a", "wait=10s", arrives("data", "b"), 200, unchanged, 1},
		{"a service with a filter: another service changes", "service=data&zone=a", "wait=10s", arrives("web", "a"), 200, unchanged, 1},
		{"a page: a server arrives on another page", "limit=1", "wait=10s", arrives("web", ""), 200, changed, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := mustHarness(t)
				r.populate()
				if tt.after != nil {
					time.AfterFunc(3*time.Second, func() { tt.after(r) })
				}
				target := r.poll(tt.filter, tt.wait)
				begun := time.Now()
				w := r.do("GET", target)
				if took := time.Since(begun); w.Code != tt.status || took != tt.took {
					t.Errorf("status %d after %v, want %d after %v", w.Code, took, tt.status, tt.took)
				}
				if tt.status != http.StatusOK {
					mustProblem(t, w)
				} else if got := keys(t, w); len(got) != tt.servers {
					t.Errorf("got %v, want %d servers", got, tt.servers)
				}
			})
		})
	}
}

func TestLongPollWithAnotherIndexRespondsAtOnce(t *testing.T) {
	for _, filter := range []string{"", "service=data", "service=new", "zone=a", "zone=none", "service=web&state=alive"} {
		synctest.Test(t, func(t *testing.T) {
			r := mustHarness(t)
			r.populate()
			now := r.index(filter)
			if now < 1 || now > 1<<53-1 {
				t.Errorf("%q: index %d, want an integer that every reader of JSON can represent", filter, now)
			}
			for _, index := range []uint64{0, 1, now - 1, now + 1, math.MaxUint64} {
				begun := time.Now()
				w := r.do("GET", fmt.Sprintf("/v1/servers?index=%d&%s", index, filter))
				if took := time.Since(begun); w.Code != http.StatusOK || took != 0 {
					t.Errorf("%q: index %d beside %d: status %d after %v", filter, index, now, w.Code, took)
				}
			}
		})
	}
}

// A restarted API server, or another one, counts anew. An index from before must not be the index of a different list.
func TestIndexOfAnotherProcess(t *testing.T) {
	r := mustHarness(t)
	r.populate()
	later := r.mustServer(r.registry, func(c *apiserver.Config) { c.Now = func() time.Time { return start().Add(time.Hour) } })
	other := r.mustServer(r.registry, func(c *apiserver.Config) { c.ID, c.Now = "api-2", start })
	for _, filter := range []string{"", "service=data", "service=new", "zone=a"} {
		for name, s := range map[string]*apiserver.Server{"restarted": later, "other": other} {
			var list apiserver.ServerList
			mustDecode(t, do(s, "GET", "/v1/servers?"+filter).Body.Bytes(), &list)
			if mine := r.index(filter); max(mine, list.Index)-min(mine, list.Index) < 1<<20 {
				t.Errorf("%q: the %s API server has the index %d, this one %d: they will meet", filter, name, list.Index, mine)
			}
		}
	}
}

// A client that missed changes gets them all in its next response.
func TestLongPollAfterSeveralChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := mustHarness(t)
		r.populate()
		target := r.poll("service=data", "")
		for i := range 3 {
			r.deliver(9*time.Second, heartbeat("data", fmt.Sprint("red-", i), fmt.Sprintf("10.0.0.1:%d", i+1), 1))
			r.index("")
		}
		begun := time.Now()
		w := r.do("GET", target)
		if took, got := time.Since(begun), keys(t, w); took != 0 || len(got) != 5 {
			t.Errorf("got %v after %v, want 5 servers at once", got, took)
		}
		begun = time.Now()
		r.do("GET", r.poll("service=data", "wait=10s"))
		if took := time.Since(begun); took != 10*time.Second {
			t.Errorf("the next response came after %v, want it at the end of the wait", took)
		}
	})
}

// watchedNames is a registry that counts the watches of each service. The name of the watches of all services is empty.
type watchedNames struct {
	apiserver.Registry
	mu    sync.Mutex
	names map[string]int
}

func (w *watchedNames) Watch(ctx context.Context) <-chan *registry.Membership {
	w.add("")
	return w.Registry.Watch(ctx)
}

func (w *watchedNames) WatchService(ctx context.Context, name string) <-chan *registry.Membership {
	w.add(name)
	return w.Registry.WatchService(ctx, name)
}

func (w *watchedNames) add(name string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.names[name]++
}

// Of many clients, a change wakes those that watch the service or the server.
func TestChangeWakesItsWatchers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var all *watchedNames
		r := mustHarness(t, func(cfg *apiserver.Config) {
			all = &watchedNames{Registry: cfg.Registry, names: make(map[string]int)}
			cfg.Registry = all
		})
		r.populate()
		filters := map[string]bool{ // whether the change below wakes the clients with the filter
			"": true, "service=data": true, "service=web": false, "service=new": false, "service=data&zone=z": true, "service=data&zone=a": false,
			"zone=z": true, "zone=a": false, "state=suspect": false,
		}
		const each = 30
		var polls sync.WaitGroup
		var took [each]sync.Map
		for filter := range filters {
			target := r.poll(filter, "wait=10s")
			for i := range each {
				polls.Go(func() {
					begun := time.Now()
					if w := do(r.server, "GET", target); w.Code != http.StatusOK {
						t.Errorf("%s: status %d", target, w.Code)
					}
					took[i].Store(filter, time.Since(begun))
				})
			}
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if want := map[string]int{"": 4 * each, "data": 3 * each, "web": each, "new": each}; !maps.Equal(all.names, want) {
			t.Errorf("clients watch %v, want %v", all.names, want)
		}
		h := heartbeat("data", "red", "10.0.0.1:80", 1)
		h.Zone = "z"
		r.deliver(9*time.Second, h)
		polls.Wait()
		for filter, wakes := range filters {
			want := 10 * time.Second
			if wakes {
				want = 2 * time.Second
			}
			for i := range took {
				if got, _ := took[i].Load(filter); got != want {
					t.Fatalf("%q: client %d waited %v, want %v", filter, i, got, want)
				}
			}
		}
	})
}

// A client that does not read its response delays no other client.
func TestLongPollBesideSlowReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := mustHarness(t)
		r.populate()
		const servers = 100 // enough that net/http does not buffer the list
		for i := range servers - 2 {
			r.deliver(9*time.Second, heartbeat("data", fmt.Sprint(i), fmt.Sprintf("10.0.1.1:%d", i+1), 1))
		}
		ctx, cancel := context.WithCancel(t.Context())
		l, ran := newPipes(), make(chan error, 1)
		go func() { ran <- r.server.Run(ctx, l) }()
		request := "GET " + r.poll("service=data", "wait=5m") + " HTTP/1.1\r\nHost: api\r\n\r\n"
		slow, other := l.mustDial(t, request), l.mustDial(t, request)
		for round := range 3 {
			synctest.Wait()
			r.deliver(9*time.Second, heartbeat("data", fmt.Sprint("red-", round), fmt.Sprintf("10.0.0.1:%d", round+1), 1))
			begun := time.Now()
			resp, err := http.ReadResponse(bufio.NewReader(other), nil)
			if err != nil {
				t.Fatal(err)
			}
			var list apiserver.ServerList
			if err := json.NewDecoder(resp.Body).Decode(&list); err != nil {
				t.Fatal(err)
			}
			if took := time.Since(begun); took > 0 || len(list.Servers) != servers+1+round {
				t.Errorf("%d servers after %v, want %d at once", len(list.Servers), took, servers+1+round)
			}
			fmt.Fprintf(other, "GET /v1/servers?service=data&index=%d&wait=5m HTTP/1.1\r\nHost: api\r\n\r\n", list.Index)
		}
		cancel()
		_, _ = slow.Close(), other.Close()
		if err := <-ran; err != nil {
			t.Error(err)
		}
	})
}

func TestLongPollWithETagEndsWith304(t *testing.T) {
	for _, filter := range []string{"", "service=data", "zone=a"} {
		synctest.Test(t, func(t *testing.T) {
			r := mustHarness(t)
			r.populate()
			tag := r.do("GET", "/v1/servers?"+filter).Header().Get("ETag")
			target := r.poll(filter, "wait=7s")
			begun := time.Now()
			w := r.do("GET", target, "If-None-Match", tag)
			if took := time.Since(begun); w.Code != http.StatusNotModified || took != 7*time.Second {
				t.Errorf("%q: status %d after %v", filter, w.Code, took)
			}
		})
	}
}

func TestLongPollEndsWithClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := mustHarness(t)
		r.populate()
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		time.AfterFunc(2*time.Second, cancel)
		target := r.poll("service=data", "")
		begun := time.Now()
		w := httptest.NewRecorder()
		r.server.Handler().ServeHTTP(w, httptest.NewRequestWithContext(ctx, "GET", target, nil))
		if took := time.Since(begun); took != 2*time.Second || w.Code != 499 {
			t.Errorf("status %d after %v", w.Code, took)
		}
	})
}

// idleListener accepts no connection.
type idleListener chan struct{}

func (l idleListener) Accept() (net.Conn, error) { <-l; return nil, net.ErrClosed }
func (l idleListener) Close() error              { close(l); return nil }
func (l idleListener) Addr() net.Addr            { return &net.TCPAddr{} }

func TestStopEndsLongPolls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := mustHarness(t)
		r.populate()
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		ran := make(chan error, 1)
		go func() { ran <- r.server.Run(ctx, make(idleListener)) }()
		target := r.poll("", "")
		begun := time.Now()
		w := r.do("GET", target)
		if took := time.Since(begun); w.Code != http.StatusOK || took != 3*time.Second || len(keys(t, w)) != 3 {
			t.Errorf("status %d after %v: %s", w.Code, took, w.Body)
		}
		if err := <-ran; err != nil {
			t.Error(err)
		}
	})
}
