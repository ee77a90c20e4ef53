package stages_test

import (
	"math"
	"testing"
	"time"

	"rollcall/events"
	"rollcall/stages"
)

func TestValidateReasons(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*events.Heartbeat)
		want   events.Reason
	}{
		{"in order", func(*events.Heartbeat) {}, ""},
		{"another version", func(h *events.Heartbeat) { h.V = 2 }, events.ReasonVersion},
		{"a type nobody knows", func(h *events.Heartbeat) { h.Type = "hello" }, events.ReasonMalformed},
		{"a service that is a path", func(h *events.Heartbeat) { h.Service = "../x" }, events.ReasonService},
		{"an address without a port", func(h *events.Heartbeat) { h.Addr = "10.0.0.7" }, events.ReasonAddress},
		{"a host name", func(h *events.Heartbeat) { h.Addr = "example.com:80" }, events.ReasonAddress},
		{"no address", func(h *events.Heartbeat) { h.Addr = "" }, events.ReasonAddress},
		{"an address that is denied", func(h *events.Heartbeat) { h.Addr = "0.0.0.0:80" }, events.ReasonDenied},
		{"no id", func(h *events.Heartbeat) { h.ID = "" }, events.ReasonMeta},
		{"metadata without a key", func(h *events.Heartbeat) { h.Meta = events.Meta{{Key: "", Value: "x"}} }, events.ReasonMeta},
		{"a weight below 0", func(h *events.Heartbeat) { h.Weight = -1 }, events.ReasonWeight},
		{"an incarnation without seq", func(h *events.Heartbeat) { h.Seq = 0 }, events.ReasonSeq},
		{"a seq without incarnation", func(h *events.Heartbeat) { h.Incarnation = 0 }, events.ReasonIncarnation},
		{"neither incarnation nor seq", func(h *events.Heartbeat) { h.Incarnation, h.Seq = 0, 0 }, ""},
		{"an incarnation below 0", func(h *events.Heartbeat) { h.Incarnation = -1 }, events.ReasonIncarnation},
		{"an interval that is the TTL", func(h *events.Heartbeat) { h.IntervalMS = h.TTLMS }, events.ReasonInterval},
		{"a leave is no exception", func(h *events.Heartbeat) { h.Type, h.V = events.KindLeave, 2 }, events.ReasonVersion},
	} {
		t.Run(tt.name, func(t *testing.T) {
			checkReason(t, stages.Validate{Config: defaults}.Process(t.Context(), decoded(tt.change)), tt.want)
		})
	}
}

// A host whose clock is wrong has a server that lives. The registry bounds what its incarnation can do.
func TestValidateTakesEachIncarnation(t *testing.T) {
	for _, tt := range []struct {
		name        string
		incarnation int64
	}{
		{"started long ago", 1},
		{"started now", now.UnixMilli()},
		{"a year ahead", now.Add(365 * 24 * time.Hour).UnixMilli()},
		{"as nanoseconds", now.UnixNano()},
		{"the last", math.MaxInt64},
	} {
		t.Run(tt.name, func(t *testing.T) {
			env := decoded(func(h *events.Heartbeat) { h.Incarnation = tt.incarnation })
			checkReason(t, stages.Validate{Config: defaults}.Process(t.Context(), env), "")
		})
	}
}

func TestValidateMakesAddressesCanonical(t *testing.T) {
	for _, tt := range []struct {
		name, addr, id   string
		wantAddr, wantID string
	}{
		{"an IPv4 address is", "10.0.0.7:80", "10.0.0.7:80", "10.0.0.7:80", "10.0.0.7:80"},
		{"an IPv4 address in IPv6 form is unmapped, and the id follows", "[::ffff:10.0.0.7]:80", "[::ffff:10.0.0.7]:80", "10.0.0.7:80", "10.0.0.7:80"},
		{"the same in hexadecimal", "[::ffff:a00:7]:80", "[::ffff:a00:7]:80", "10.0.0.7:80", "10.0.0.7:80"},
		{"an IPv6 address has one spelling, and the id follows", "[2001:DB8::0:1]:80", "[2001:DB8::0:1]:80", "[2001:db8::1]:80", "[2001:db8::1]:80"},
		{"an id of its own stays", "[2001:DB8::0:1]:80", "a", "[2001:db8::1]:80", "a"},
		{"another address as id stays", "[::ffff:10.0.0.7]:80", "[::ffff:10.0.0.8]:80", "10.0.0.7:80", "[::ffff:10.0.0.8]:80"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			env := decoded(func(h *events.Heartbeat) { h.Addr, h.ID = tt.addr, tt.id })
			if err := (stages.Validate{Config: defaults}).Process(t.Context(), env); err != nil {
				t.Fatal(err)
			}
			if h := env.Heartbeat; h.Addr != tt.wantAddr || h.ID != tt.wantID {
				t.Errorf("got addr %s, id %s; want %s, %s", h.Addr, h.ID, tt.wantAddr, tt.wantID)
			}
		})
	}
}

func TestValidateFillsTheLease(t *testing.T) {
	for _, tt := range []struct {
		name                  string
		interval, ttl         int64
		wantInterval, wantTTL int64
	}{
		{"both are the configured ones", 0, 0, 5000, 10_000},
		{"what is stated stays", 1000, 3000, 1000, 3000},
		{"a long interval makes a longer TTL", 20_000, 0, 20_000, 40_000},
		{"a short interval has the configured TTL", 1000, 0, 1000, 10_000},
		{"a short TTL makes a shorter interval", 0, 4000, 2000, 4000},
		{"a long TTL has the configured interval", 0, 60_000, 5000, 60_000},
	} {
		t.Run(tt.name, func(t *testing.T) {
			env := decoded(func(h *events.Heartbeat) { h.IntervalMS, h.TTLMS = tt.interval, tt.ttl })
			if err := (stages.Validate{Config: defaults}).Process(t.Context(), env); err != nil {
				t.Fatal(err)
			}
			if h := env.Heartbeat; h.IntervalMS != tt.wantInterval || h.TTLMS != tt.wantTTL {
				t.Errorf("got %d, %d ms; want %d, %d", h.IntervalMS, h.TTLMS, tt.wantInterval, tt.wantTTL)
			}
		})
	}
}
