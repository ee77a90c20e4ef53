package dataserver_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"rollcall/events"
	"rollcall/services/dataserver"
)

const addr = "10.0.0.7:8080"

func TestHeartbeatTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newRecorder()
		r := start(t, mustAgent(t, dataserver.Config{Addr: addr, Publisher: p}).Run)
		time.Sleep(time.Hour)
		mustStop(t, r)

		beats := p.all()
		beats = beats[:len(beats)-1] // without the last message, which is the leave
		for i, want := range []time.Duration{0, time.Second, 2 * time.Second} {
			if beats[i].at != want {
				t.Errorf("heartbeat %d after %v, want %v", i+1, beats[i].at, want)
			}
		}
		least, most := time.Hour, time.Duration(0)
		for i := 3; i < len(beats); i++ {
			gap := beats[i].at - beats[i-1].at
			least, most = min(least, gap), max(most, gap)
		}
		if least < 4500*time.Millisecond || most > 5500*time.Millisecond {
			t.Errorf("heartbeats are %v to %v apart, want 4.5 s to 5.5 s", least, most)
		}
		if least > 4600*time.Millisecond || most < 5400*time.Millisecond {
			t.Errorf("heartbeats are %v to %v apart: the jitter is not used", least, most)
		}
		for i, b := range beats {
			if b.Seq != uint64(i)+1 || b.Incarnation != beats[0].SentAt.UnixMilli() || b.Type != events.KindHeartbeat {
				t.Fatalf("message %d is %s %d/%d", i+1, b.Type, b.Incarnation, b.Seq)
			}
		}
	})
}

func TestHeartbeatFieldsFromConfig(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newRecorder()
		a := mustAgent(t, dataserver.Config{
			Service: "shop", Addr: "[::ffff:10.0.0.7]:8080", Interval: 2 * time.Second, TTL: 7 * time.Second, Topic: "beats",
			Description: dataserver.Description{
				Weight: 7, Zone: "a", Version: "1.4.2", Tags: []string{"blue"}, Meta: map[string]string{"rack": "r7"},
			},
			Load:      func() events.Load { return events.Load{InFlight: 3} },
			Publisher: p,
		})
		r := start(t, a.Run)
		synctest.Wait()
		got := p.last(t)
		mustStop(t, r)

		rack, _ := got.Meta.Get("rack")
		if got.topic != "beats" || got.Service != "shop" || got.ID != addr || got.Addr != addr || got.Interval() != 2*time.Second ||
			got.TTL() != 7*time.Second || got.Weight != 7 || got.Zone != "a" || got.Version != "1.4.2" ||
			got.Tags[0] != "blue" || rack != "r7" || got.Load.InFlight != 3 || !got.SentAt.Equal(p.start) {
			t.Errorf("got %+v", got)
		}
		if a.ID() != addr || a.Addr() != addr {
			t.Errorf("id %s, address %s", a.ID(), a.Addr())
		}
	})
}

func TestHangingPublishDelaysNoHeartbeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newRecorder()
		p.answer = hang
		failures := 0
		a := mustAgent(t, dataserver.Config{Addr: addr, Publisher: p, OnError: func(err error) {
			failures++
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got error %v, want a deadline exceeded", err)
			}
		}})
		r := start(t, a.Run)
		time.Sleep(time.Minute)
		beats := p.all()
		if len(beats) < 13 {
			t.Errorf("%d heartbeats in a minute", len(beats))
		}
		if p.mostBusy != 1 {
			t.Errorf("%d concurrent calls of Publish", p.mostBusy)
		}
		for i := 1; i < len(beats); i++ {
			limit := 5 * time.Second // the retry after a failure comes earlier than the next regular heartbeat
			if i < 3 {
				limit = time.Second
			}
			if gap := beats[i].at - beats[i-1].at; gap > limit {
				t.Errorf("heartbeat %d follows the one before it after %v", i+1, gap)
			}
		}
		if want := len(beats) - 1; failures != want {
			t.Errorf("OnError was called %d times, want %d", failures, want)
		}
		if _, err := r.stop(t); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got error %v for a leave that was not accepted, want a deadline exceeded", err)
		}
	})
}

func TestRetryAfterFailedHeartbeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newRecorder()
		p.answer = func(_ context.Context, h events.Heartbeat) error {
			if h.Seq == 5 {
				return errors.New("connection refused")
			}
			return nil
		}
		r := start(t, mustAgent(t, dataserver.Config{Addr: addr, Publisher: p}).Run)
		time.Sleep(30 * time.Second)
		mustStop(t, r)
		b := p.all()
		if gap := b[5].at - b[4].at; gap != time.Second {
			t.Errorf("the heartbeat after the failed one follows after %v, want 1s", gap)
		}
		if gap := b[6].at - b[5].at; gap < 4500*time.Millisecond {
			t.Errorf("the heartbeat after the retry follows after %v, want an interval", gap)
		}
	})
}

func TestShortIntervalAppliesFromTheStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newRecorder()
		r := start(t, mustAgent(t, dataserver.Config{Addr: addr, Publisher: p, Interval: 200 * time.Millisecond}).Run)
		time.Sleep(time.Second)
		mustStop(t, r)
		for i, b := range p.all()[1:] {
			if gap := b.at - p.all()[i].at; gap > 220*time.Millisecond {
				t.Errorf("heartbeat %d follows the one before it after %v", i+2, gap)
			}
		}
	})
}

func TestLeaveIsTheLastMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newRecorder()
		r := start(t, mustAgent(t, dataserver.Config{Addr: addr, Publisher: p}).Run)
		time.Sleep(1500 * time.Millisecond)
		took, err := r.stop(t)
		if err != nil || took != 0 {
			t.Errorf("Run returned %v after %v, want nil at once", err, took)
		}
		all := p.all()
		if len(all) != 3 || all[2].Type != events.KindLeave || all[2].Seq != 3 || all[2].Incarnation != all[0].Incarnation {
			t.Errorf("got %+v, want two heartbeats and a leave", all)
		}
	})
}

func TestLeaveTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, limit := range []time.Duration{0, 300 * time.Millisecond} {
			p := newRecorder()
			p.answer = func(ctx context.Context, h events.Heartbeat) error {
				if h.Type == events.KindLeave {
					return hang(ctx, h)
				}
				return nil
			}
			r := start(t, mustAgent(t, dataserver.Config{Addr: addr, Publisher: p, LeaveTimeout: limit}).Run)
			time.Sleep(5 * time.Second)
			took, err := r.stop(t)
			want := limit
			if limit == 0 {
				want = time.Second
			}
			if took != want || !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "leave") {
				t.Errorf("limit %v: Run returned %v after %v", limit, err, took)
			}
		}
	})
}

func TestLeaveDoesNotWaitForHangingHeartbeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newRecorder()
		p.answer = func(ctx context.Context, h events.Heartbeat) error {
			if h.Type == events.KindHeartbeat {
				return hang(ctx, h)
			}
			return nil
		}
		a := mustAgent(t, dataserver.Config{Addr: addr, Publisher: p, OnError: func(err error) {
			t.Errorf("OnError was called with %v after the context ended", err)
		}})
		r := start(t, a.Run)
		time.Sleep(500 * time.Millisecond)
		if took, err := r.stop(t); err != nil || took != 0 {
			t.Errorf("Run returned %v after %v, want nil at once", err, took)
		}
		if p.last(t).Type != events.KindLeave {
			t.Error("no leave")
		}
	})
}

func TestSecondRunFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := mustAgent(t, dataserver.Config{Addr: addr, Publisher: newRecorder()})
		r := start(t, a.Run)
		synctest.Wait()
		if err := a.Run(t.Context()); !errors.Is(err, dataserver.ErrRan) {
			t.Errorf("the second Run returned %v", err)
		}
		mustStop(t, r)
		if err := a.Run(t.Context()); !errors.Is(err, dataserver.ErrRan) {
			t.Errorf("Run after Run returned %v", err)
		}
	})
}

func TestAgentsShareMetrics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		registry := prometheus.NewRegistry()
		for range 2 {
			p := newRecorder()
			p.answer = func(_ context.Context, h events.Heartbeat) error {
				if h.Seq == 2 {
					return errors.New("connection refused")
				}
				return nil
			}
			r := start(t, mustAgent(t, dataserver.Config{Addr: addr, Publisher: p, Metrics: registry}).Run)
			time.Sleep(2500 * time.Millisecond)
			mustStop(t, r)
		}
		got := mustGather(t, registry)
		// Each of the two agents sent heartbeat 1, heartbeat 3 and the leave, and failed to send heartbeat 2.
		if got["rollcall_agent_heartbeats_total sent"] != 6 || got["rollcall_agent_heartbeats_total failed"] != 2 {
			t.Errorf("got %v", got)
		}
		if now := float64(time.Now().UnixMilli()) / 1000; got["rollcall_agent_last_success_timestamp_seconds"] != now {
			t.Errorf("got %v, want the last success at %v", got, now)
		}
	})
}

func mustGather(t testing.TB, g prometheus.Gatherer) map[string]float64 {
	t.Helper()
	families, err := g.Gather()
	if err != nil {
		t.Fatal(err)
	}
	values := make(map[string]float64)
	for _, f := range families {
		for _, m := range f.GetMetric() {
			name := f.GetName()
			for _, l := range m.GetLabel() {
				name += " " + l.GetValue()
			}
			values[name] = m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	return values
}
