package proxy

import (
	"testing"
	"time"
	"unsafe"

	"rollcall/events"
	"rollcall/services/registry"
)

// set returns the time t with the reading of the wall clock moved by the given duration. The reading of the monotonic clock stays the same.
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

func TestBudgetAfterWallClockIsSetBack(t *testing.T) {
	p := mustNew(t, Config{Retry: Retry{Percent: -1, PerSecond: 1}})
	s, err := p.newService("data")
	if err != nil {
		t.Fatal(err)
	}
	p.services.Store(&map[string]*service{"data": s})
	now := time.Now()
	s.update(registry.NewMembership([]*events.Server{{Service: "data", ID: "a", Addr: "10.0.0.1:80", State: events.StateAlive, Weight: 100}}).Service("data"), now)
	for s.budget.take() {
	}
	now = set(now, -time.Hour)
	for range 60 {
		p.tick(now)
		now = now.Add(time.Second / 4)
	}
	if !s.budget.take() {
		t.Error("no retry is allowed 15 s later")
	}
}
