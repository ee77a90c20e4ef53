package pipeline_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"go.uber.org/zap"

	"rollcall/events"
	"rollcall/pipeline"
	"rollcall/services/registry"
	"rollcall/stages"
)

const (
	interval = 5 * time.Second
	ttl      = 10 * time.Second
	tick     = 250 * time.Millisecond
)

// path is a whole API server without NSQ, in virtual time: an inbox, the stages, a registry, and an outbox for the events.
// Watermill works in synctest if no message in flight sleeps when the router ends.
type path struct {
	*bench
	in  *inbox
	out *outbox

	start time.Time
	sent  atomic.Int64 // number of heartbeats and leaves published
	acked atomic.Int64
}

func mustPath(t *testing.T) *path {
	t.Helper()
	p := &path{bench: mustBench(t), in: newInbox(), out: &outbox{}, start: time.Now()}
	reg, err := registry.New(registry.Config{Observer: "api-1", Interval: interval, TTL: ttl, Tick: tick})
	if err != nil {
		t.Fatal(err)
	}
	chain := stages.Heartbeats(reg, stages.Decode{}, stages.Canary{}, stages.Validate{Interval: interval, TTL: ttl})
	p.Consume("heartbeats", "data_server_addr", p.in, chain)
	p.Consume("ticks", "", pipeline.NewTicker(tick), stages.Ticks(reg, func() []string { return nil }))
	p.Produce("events", pipeline.NewSource(reg.Events(), events.Encode, zap.NewNop()), "server_events", p.out)
	p.Produce("rejected", pipeline.NewSource(p.quarantine.Copies(), pipeline.EncodeRejected, zap.NewNop()), "invalid", p.out)

	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := reg.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { cancel(); running.Wait() })
	p.bench.start(t) // cleanup functions run in reverse order, so the router stops before the registry
	return p
}

// server is a simulated data server with this port.
type server struct {
	port        int
	seq         uint64
	incarnation int64
	last        time.Time // when the server published its last heartbeat or leave
}

// publish publishes a message of the server and counts whether it was acked.
func (p *path) publish(s *server, kind events.Kind) {
	s.seq++
	s.last = time.Now()
	body, _ := json.Marshal(events.Heartbeat{
		V: 1, Type: kind, Service: "data", ID: fmt.Sprint(s.port), Addr: fmt.Sprintf("10.0.0.7:%d", s.port), Incarnation: s.incarnation, Seq: s.seq, Weight: 100,
	})
	p.sent.Add(1)
	msg := message.NewMessage("", body)
	p.in.messages <- msg
	go func() {
		select {
		case <-msg.Acked():
			p.acked.Add(1)
		case <-msg.Nacked():
		}
	}()
}

// beat runs a server that publishes a heartbeat each interval, plus or minus a tenth, until ctx ends. Then the returned channel
// receives the server.
func (p *path) beat(ctx context.Context, port int) <-chan *server {
	done := make(chan *server, 1)
	go func() {
		s := &server{port: port, incarnation: time.Now().UnixMilli()}
		jitter := rand.New(rand.NewPCG(1, uint64(port)))
		defer func() { done <- s }()
		for {
			p.publish(s, events.KindHeartbeat)
			select {
			case <-time.After(interval*9/10 + time.Duration(jitter.Int64N(int64(interval/5)))):
			case <-ctx.Done():
				return
			}
		}
	}()
	return done
}

// emitted is a lifecycle event that was published.
type emitted struct {
	typ events.Type
	id  string
	at  time.Time // time of the transition
}

func (p *path) mustEvents(t *testing.T) []emitted {
	t.Helper()
	synctest.Wait()
	var all []emitted
	for _, pub := range p.out.of("server_events") {
		e, err := events.Decode([]byte(pub.body))
		if err != nil {
			t.Fatal(err)
		}
		d := e.Details()
		if e.Type() == events.TypeMode {
			continue
		}
		if late := pub.at.Sub(d.Time); late < 0 || late >= time.Millisecond { // event times are truncated to milliseconds
			t.Errorf("%s of %s was published %v after it happened", e.Type(), d.Server.ID, late)
		}
		all = append(all, emitted{e.Type(), d.Server.ID, d.Time})
	}
	return all
}

func TestPathEmitsRegisteredSuspectedExpiredAndLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := mustPath(t)
		ctx, cancel := context.WithCancel(t.Context())
		silent, crash := context.WithCancel(ctx)
		leaving, leave := context.WithCancel(ctx)
		defer leave()
		first, second, third := p.beat(ctx, 1), p.beat(silent, 2), p.beat(leaving, 3)

		time.Sleep(time.Hour)
		got := p.mustEvents(t)
		for _, e := range got {
			if e.typ != events.TypeRegistered {
				t.Errorf("%s of %s after %v", e.typ, e.id, e.at.Sub(p.start))
			}
		}
		if len(got) != 3 {
			t.Fatalf("%d events in an hour, want 3", len(got))
		}

		crash()
		dead := <-second
		time.Sleep(time.Minute)
		got = p.mustEvents(t)[3:]
		if len(got) != 2 {
			t.Fatalf("got %+v for the silent server, want two events", got)
		}
		checkEvent(t, got[0], events.TypeSuspected, "2", dead.last.Add(7*time.Second), tick)
		checkEvent(t, got[1], events.TypeExpired, "2", dead.last.Add(10*time.Second), tick)

		leave()
		gone := <-third
		p.publish(gone, events.KindLeave)
		time.Sleep(time.Minute)
		got = p.mustEvents(t)[5:]
		if len(got) != 1 {
			t.Fatalf("got %+v for the server that left, want one event", got)
		}
		checkEvent(t, got[0], events.TypeLeft, "3", gone.last, 0)

		cancel()
		<-first
		synctest.Wait()
		if sent, acked := p.sent.Load(), p.acked.Load(); sent < 3*700 || acked != sent {
			t.Errorf("%d of %d messages were acked", acked, sent)
		}
	})
}

// checkEvent fails the test unless the event got has this type and id, and happened at the time in the parameter at, or later by at most
// the duration late. Event times are truncated to milliseconds.
func checkEvent(t *testing.T, got emitted, typ events.Type, id string, at time.Time, late time.Duration) {
	t.Helper()
	if d := got.at.Sub(at.Truncate(time.Millisecond)); got.typ != typ || got.id != id || d < 0 || d > late {
		t.Errorf("got %s of %s at %v, want %s of %s at %v or up to %v later", got.typ, got.id, got.at, typ, id, at, late)
	}
}

func TestPathLosesNoHeartbeatDuringFloodOfInvalidMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const servers, floods = 50, 2 * 60 * 100
		bodies := []string{`{"v":1`, "\x1f\x8b\x08", `{"v":1,"service":"../x","addr":"10.0.0.7:80"}`, `{"v":1,"service":"data","addr":"10.0.0.7"}`}
		p := mustPath(t)
		ctx, cancel := context.WithCancel(t.Context())
		var all []<-chan *server
		for i := range servers {
			all = append(all, p.beat(ctx, 8000+i))
		}
		for i := range floods {
			p.in.messages <- message.NewMessage("", []byte(bodies[i%len(bodies)]))
			time.Sleep(10 * time.Millisecond)
		}
		cancel()
		for _, s := range all {
			<-s
		}
		synctest.Wait()

		sent := int(p.sent.Load())
		if n := p.stage(t, "register", "passed"); n != sent || int(p.acked.Load()) != sent || sent < servers*20 {
			t.Errorf("of %d heartbeats %d were registered and %d acked", sent, n, p.acked.Load())
		}
		for _, e := range p.mustEvents(t) {
			if e.typ != events.TypeRegistered {
				t.Errorf("%s of %s", e.typ, e.id)
			}
		}
		rejected := map[events.Reason]int{events.ReasonMalformed: floods / 2, events.ReasonService: floods / 4, events.ReasonAddress: floods / 4}
		for reason, want := range rejected {
			if n := p.rejected(t, reason); n != want {
				t.Errorf("%d rejected as %s, want %d", n, reason, want)
			}
		}
		var at []time.Time
		for _, pub := range p.out.of("invalid") {
			at = append(at, pub.at)
		}
		checkRate(t, at)
		if len(at) != 1200 {
			t.Errorf("%d copies in two minutes, want 1200", len(at))
		}
		if n := p.logs.Len(); n != 2*len(rejected) {
			t.Errorf("%d log messages in two minutes, want one a minute for each reason: %v", n, p.logs.All())
		}
	})
}
