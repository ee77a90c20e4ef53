package registry

import (
	"testing"
	"time"

	"rollcall/events"
)

// accept does what Run does with a call that comes while a batch of heartbeats waits: it applies the heartbeats and then serves the call.
func (r *Registry) accept(batch ...*events.Heartbeat) {
	call := <-r.calls
	for _, h := range batch {
		r.state.observe(newMessage(h, events.Receipt{Via: "nsqd-1", PublishedAt: time.Now(), ReceivedAt: time.Now()}))
	}
	call(r.state)
	r.notifyWatchers()
}

func mustWatchService(t *testing.T, r *Registry, batch ...*events.Heartbeat) <-chan *Membership {
	t.Helper()
	entered := make(chan (<-chan *Membership))
	go func() { entered <- r.WatchService(t.Context(), "web") }()
	r.accept(batch...)
	return <-entered
}

func watchedServer(kind events.Kind, id string, seq uint64) *events.Heartbeat {
	return &events.Heartbeat{V: 1, Type: kind, Service: "web", ID: id, Addr: "10.0.0.1:" + id, Incarnation: 1, Seq: seq, Weight: 100, IntervalMS: 5000, TTLMS: 10000}
}

// A batch of heartbeats and a call of WatchService are served together. The earlier watcher must receive the change too.
func TestChangeBeforeWatchServiceReachesEarlierWatchers(t *testing.T) {
	r, err := New(Config{Observer: "api-1"})
	if err != nil {
		t.Fatal(err)
	}
	defer close(r.done) // ends the watches
	earlier := mustWatchService(t, r)
	if s := (<-earlier).Service("web"); s != nil {
		t.Fatalf("got %+v, want no servers", s)
	}
	later := mustWatchService(t, r, watchedServer(events.KindHeartbeat, "1", 1))
	for name, w := range map[string]<-chan *Membership{"earlier": earlier, "later": later} {
		if len(w) != 1 {
			t.Fatalf("the %s watcher has nothing to receive", name)
		}
		if s := (<-w).Service("web"); s.Len() != 1 {
			t.Errorf("the %s watcher received %d servers, want 1", name, s.Len())
		}
	}
}

// A server that registers and leaves in one batch leaves its service as it was.
func TestWatchServiceOfServiceThatCameAndWent(t *testing.T) {
	r, err := New(Config{Observer: "api-1"})
	if err != nil {
		t.Fatal(err)
	}
	defer close(r.done)
	w := mustWatchService(t, r)
	<-w
	mustWatchService(t, r, watchedServer(events.KindHeartbeat, "1", 1), watchedServer(events.KindLeave, "1", 2))
	if r.state.revision != 2 {
		t.Fatalf("revision %d, want 2: the server must register and leave", r.state.revision)
	}
	if len(w) > 0 {
		t.Errorf("received %+v, want nothing", <-w)
	}
}
