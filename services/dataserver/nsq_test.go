package dataserver_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"rollcall/events"
	"rollcall/integration/fixture"
	"rollcall/pipeline/nsqpubsub"
	"rollcall/services/dataserver"
	"rollcall/services/embednsq"
)

// refusing is an address on which no process listens.
const refusing = "127.0.0.1:1"

// arrival is a heartbeat that a consumer received.
type arrival struct {
	events.Heartbeat
	at time.Time
}

func TestHeartbeatsAndLeaveOverNSQ(t *testing.T) {
	t.Parallel()
	lookupd := fixture.Lookupd(t)
	n := fixture.NSQD(t, embednsq.NSQDConfig{Lookupd: []string{lookupd.TCPAddr()}, DataPath: mustTopic(t)})
	heard := listen(t, n)
	a := mustAgent(t, dataserver.Config{
		ID: "a", Addr: addr, Interval: 200 * time.Millisecond, NSQ: nsqpubsub.Cluster{Lookupd: []string{lookupd.HTTPAddr()}},
		// An error is only logged: nsqd may not be registered with nsqlookupd yet when the first heartbeats are published.
		OnError: func(err error) { t.Log(err) },
	})
	r := start(t, a.Run)
	var beats []arrival
	for len(beats) < 5 {
		beats = append(beats, next(t, heard))
	}
	cancelled := time.Now()
	mustStop(t, r)
	for i := 1; i < len(beats); i++ {
		if beats[i].Seq != beats[i-1].Seq+1 || beats[i].Incarnation != beats[0].Incarnation {
			t.Errorf("%d/%d follows %d/%d", beats[i].Incarnation, beats[i].Seq, beats[i-1].Incarnation, beats[i-1].Seq)
		}
	}
	last := next(t, heard)
	for last.Type == events.KindHeartbeat {
		last = next(t, heard)
	}
	if took := last.at.Sub(cancelled); last.Type != events.KindLeave || took > 300*time.Millisecond {
		t.Errorf("%s %v after the end, want the leave within 300ms", last.Type, took)
	}
}

func TestHungNSQDDelaysHeartbeatsBriefly(t *testing.T) {
	t.Parallel()
	n := fixture.NSQD(t, embednsq.NSQDConfig{})
	heard := listen(t, n)
	a := mustAgent(t, dataserver.Config{
		Addr: addr, Interval: time.Second, NSQ: nsqpubsub.Cluster{NSQD: []string{fixture.Silent(t), n.TCPAddr()}},
		OnError: func(err error) { t.Error(err) },
	})
	r := start(t, a.Run)
	most := time.Duration(0)
	for seq := uint64(1); seq <= 8; {
		b := next(t, heard)
		if b.Seq < seq {
			continue // NSQ delivered the heartbeat twice
		}
		if b.Seq > seq {
			t.Fatalf("heartbeat %d arrived, %d is lost", b.Seq, seq)
		}
		most = max(most, b.at.Sub(b.SentAt))
		seq++
	}
	if most > 1200*time.Millisecond {
		t.Errorf("a heartbeat arrived after %v, want 1.2s at most", most)
	}
	if took, err := r.stop(t); err != nil || took > 3*time.Second {
		t.Errorf("Run returned %v after %v", err, took)
	}
	t.Logf("slowest heartbeat %v", most)
}

func TestAgentRunsAndStopsWithoutBroker(t *testing.T) {
	t.Parallel()
	for name, cluster := range map[string]nsqpubsub.Cluster{
		"nsqd refuses":       {NSQD: []string{refusing}},
		"nsqlookupd refuses": {Lookupd: []string{refusing}},
		"nsqd hangs":         {NSQD: []string{fixture.Silent(t)}},
		"nsqlookupd hangs":   {Lookupd: []string{fixture.Silent(t)}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			failed := make(chan error, 100)
			a := mustAgent(t, dataserver.Config{Addr: addr, NSQ: cluster, OnError: func(err error) { failed <- err }})
			r := start(t, a.Run)
			for range 2 {
				select {
				case <-failed:
				case <-time.After(10 * time.Second):
					t.Fatal("OnError is not called")
				}
			}
			took, err := r.stop(t)
			if err == nil || took > 3*time.Second {
				t.Errorf("Run returned %v after %v, want the failed leave within LeaveTimeout and two seconds", err, took)
			}
		})
	}
}

// This test does not run in parallel: while its nsqd is down, another test could be assigned the ports of that nsqd.
func TestRestartedBrokerIsUsedAgain(t *testing.T) {
	cfg := embednsq.NSQDConfig{DataPath: t.TempDir()}
	n := fixture.NSQD(t, cfg)
	failed := make(chan error, 100)
	a := mustAgent(t, dataserver.Config{
		Addr: addr, NSQ: nsqpubsub.Cluster{NSQD: []string{n.TCPAddr()}}, OnError: func(err error) { failed <- err },
	})
	r := start(t, a.Run)
	t.Run("before the restart", func(t *testing.T) { next(t, listen(t, n)) }) // its consumer must not share the channel with the next one
	cfg.TCPAddress, cfg.HTTPAddress = n.TCPAddr(), n.HTTPAddr()
	if err := n.Stop(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-failed:
	case <-time.After(10 * time.Second):
		t.Fatal("OnError is not called")
	}
	back := fixture.NSQD(t, cfg)
	since := time.Now()
	heard := listen(t, back)
	b := next(t, heard)
	for b.SentAt.Before(since.Truncate(time.Millisecond)) {
		b = next(t, heard)
	}
	if took := b.at.Sub(since); took > 3*time.Second {
		t.Errorf("a heartbeat arrived %v after the broker's restart, want 3s at most", took)
	}
	mustStop(t, r)
}

// mustTopic returns a data path in which the topic exists already. An nsqd that creates a topic queries nsqlookupd for the
// channels of the topic, over a connection that both daemons keep for 90 s after they are stopped.
func mustTopic(t testing.TB) string {
	t.Helper()
	path := t.TempDir()
	n := fixture.NSQD(t, embednsq.NSQDConfig{DataPath: path})
	resp, err := client().Post("http://"+n.HTTPAddr()+"/topic/create?topic="+events.HeartbeatTopic, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if err := n.Stop(); err != nil {
		t.Fatal(err)
	}
	return path
}

// listen returns a channel with the heartbeats that arrive at the nsqd n.
func listen(t testing.TB, n *embednsq.NSQD) <-chan arrival {
	t.Helper()
	c, err := nsqpubsub.NewConsumer(nsqpubsub.ConsumerConfig{
		Cluster: nsqpubsub.Cluster{NSQD: []string{n.TCPAddr()}}, Topic: events.HeartbeatTopic, Channel: "test", MaxInFlight: 1,
	})
	if err != nil {
		t.Fatal(err)
	}
	arrivals := make(chan arrival, 100)
	ctx, cancel := context.WithCancel(t.Context())
	var consumer sync.WaitGroup
	consumer.Go(func() {
		_ = c.Run(ctx, func(_ context.Context, d *nsqpubsub.Delivery) error {
			h, err := events.DecodeHeartbeat(d.Body)
			if err == nil {
				err = h.Validate()
			}
			if err != nil {
				t.Errorf("%s: %v", d.Body, err)
			}
			arrivals <- arrival{h, time.Now()}
			return nil
		})
	})
	t.Cleanup(consumer.Wait)
	t.Cleanup(cancel)
	return arrivals
}

func next(t testing.TB, heard <-chan arrival) arrival {
	t.Helper()
	select {
	case a := <-heard:
		return a
	case <-time.After(20 * time.Second):
		t.Fatal("no heartbeat arrives")
		return arrival{}
	}
}
