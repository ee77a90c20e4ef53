package proxy

import (
	"context"
	"net/http"
	"slices"
	"testing"
	"time"
	"unsafe"

	"rollcall/events"
)

// set is t as it would be after the wall clock was set, while the monotonic one went on.
func set(t time.Time, by time.Duration) time.Time {
	*(*uint64)(unsafe.Pointer(&t)) += uint64(int64(by/time.Second) << 30)
	return t
}

func mustNew(t *testing.T, cfg Config) *Proxy {
	t.Helper()
	cfg.Registry = noRegistry{}
	p, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// Neither a clock that is set nor a stop of this process is a delay of servers.
func TestWhatIsNoDelay(t *testing.T) {
	begun := time.Now()
	later := set(begun, time.Hour)
	if later.Sub(begun) != 0 || later.Unix()-begun.Unix() != 3600 {
		t.Fatalf("the fake does not work: %v, %d", later.Sub(begun), later.Unix()-begun.Unix())
	}
	for _, row := range []struct {
		name  string
		ticks []time.Duration // since the one before
		set   time.Duration
		want  error
	}{
		{"the clock is set ahead", []time.Duration{time.Second / 4}, time.Hour, nil},
		{"the clock is set back", []time.Duration{time.Second / 4}, -time.Hour, nil},
		{"this process was stopped", []time.Duration{time.Minute, time.Second / 4}, 0, nil},
		{"a tick later", slices.Repeat([]time.Duration{time.Second / 4}, 122), 0, errLate},
		{"a tick later, by a clock that was set back", slices.Repeat([]time.Duration{time.Second / 4}, 122), -time.Hour, errLate},
	} {
		p := mustNew(t, Config{})
		x := &exchange{p: p, r: new(http.Request)}
		now := begun
		p.tick(context.Background(), now)
		x.sentAt.Store(p.clock.Load())
		now = set(now, row.set)
		for _, d := range row.ticks {
			now = now.Add(d)
			p.tick(context.Background(), now)
		}
		if why := x.overdue(now, time.Time{}); why != row.want {
			t.Errorf("%s: %v, want %v", row.name, why, row.want)
		}
	}
}

func TestTheBudgetGoesOnWhenTheClockIsSetBack(t *testing.T) {
	p := mustNew(t, Config{RetryBudget: RetryBudget{Percent: -1, PerSecond: 1}})
	s, err := p.newService("data")
	if err != nil {
		t.Fatal(err)
	}
	p.services.Store(&map[string]*service{"data": s})
	now := time.Now()
	s.update([]*events.Server{{Service: "data", ID: "a", Addr: "10.0.0.1:80", State: events.StateAlive, Weight: 100}}, now)
	for s.budget.take() {
	}
	now = set(now, -time.Hour)
	for range 60 {
		p.tick(context.Background(), now)
		now = now.Add(time.Second / 4)
	}
	if !s.budget.take() {
		t.Error("15 s later there is no further attempt")
	}
}
