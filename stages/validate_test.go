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
		{"valid", func(*events.Heartbeat) {}, ""},
		{"unknown format version", func(h *events.Heartbeat) { h.V = 2 }, events.ReasonVersion},
		{"unknown type", func(h *events.Heartbeat) { h.Type = "hello" }, events.ReasonMalformed},
		{"service is a path", func(h *events.Heartbeat) { h.Service = "../x" }, events.ReasonService},
		{"address without a port", func(h *events.Heartbeat) { h.Addr = "10.0.0.7" }, events.ReasonAddress},
		{"host name instead of an IP address", func(h *events.Heartbeat) { h.Addr = "example.com:80" }, events.ReasonAddress},
		{"no address", func(h *events.Heartbeat) { h.Addr = "" }, events.ReasonAddress},
		{"denied address", func(h *events.Heartbeat) { h.Addr = "0.0.0.0:80" }, events.ReasonDenied},
		{"no id", func(h *events.Heartbeat) { h.ID = "" }, events.ReasonMeta},
		{"empty metadata key", func(h *events.Heartbeat) { h.Meta = events.Meta{{Key: "", Value: "x"}} }, events.ReasonMeta},
		{"negative weight", func(h *events.Heartbeat) { h.Weight = -1 }, events.ReasonWeight},
		{"incarnation without seq", func(h *events.Heartbeat) { h.Seq = 0 }, events.ReasonSeq},
		{"seq without incarnation", func(h *events.Heartbeat) { h.Incarnation = 0 }, events.ReasonIncarnation},
		{"neither incarnation nor seq", func(h *events.Heartbeat) { h.Incarnation, h.Seq = 0, 0 }, ""},
		{"negative incarnation", func(h *events.Heartbeat) { h.Incarnation = -1 }, events.ReasonIncarnation},
		{"interval equal to the TTL", func(h *events.Heartbeat) { h.IntervalMS = h.TTLMS }, events.ReasonInterval},
		{"a leave is validated too", func(h *events.Heartbeat) { h.Type, h.V = events.KindLeave, 2 }, events.ReasonVersion},
	} {
		t.Run(tt.name, func(t *testing.T) {
			checkReason(t, stages.Validate{}.Process(t.Context(), decoded(tt.change)), tt.want)
		})
	}
}

// A live server can run on a host whose clock is wrong, so Validate accepts any incarnation. The registry limits the effect
// of a wrong incarnation.
func TestValidateAcceptsAnyIncarnation(t *testing.T) {
	for _, tt := range []struct {
		name        string
		incarnation int64
	}{
		{"started long ago", 1},
		{"started now", now.UnixMilli()},
		{"a year ahead", now.Add(365 * 24 * time.Hour).UnixMilli()},
		{"in nanoseconds", now.UnixNano()},
		{"the largest number", math.MaxInt64},
	} {
		t.Run(tt.name, func(t *testing.T) {
			env := decoded(func(h *events.Heartbeat) { h.Incarnation = tt.incarnation })
			checkReason(t, stages.Validate{}.Process(t.Context(), env), "")
		})
	}
}

func TestValidateNormalizesAddresses(t *testing.T) {
	for _, tt := range []struct {
		name, addr, id   string
		wantAddr, wantID string
	}{
		{"IPv4 is unchanged", "10.0.0.7:80", "10.0.0.7:80", "10.0.0.7:80", "10.0.0.7:80"},
		{"IPv4 in IPv6 form is unmapped, also in an id that equals the address", "[::ffff:10.0.0.7]:80", "[::ffff:10.0.0.7]:80", "10.0.0.7:80", "10.0.0.7:80"},
		{"IPv4 in IPv6 form in hexadecimal", "[::ffff:a00:7]:80", "[::ffff:a00:7]:80", "10.0.0.7:80", "10.0.0.7:80"},
		{"IPv6 gets its canonical spelling, also in an id that equals the address", "[2001:DB8::0:1]:80", "[2001:DB8::0:1]:80", "[2001:db8::1]:80", "[2001:db8::1]:80"},
		{"an id that is not the address is unchanged", "[2001:DB8::0:1]:80", "a", "[2001:db8::1]:80", "a"},
		{"an id that is another address is unchanged", "[::ffff:10.0.0.7]:80", "[::ffff:10.0.0.8]:80", "10.0.0.7:80", "[::ffff:10.0.0.8]:80"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			env := decoded(func(h *events.Heartbeat) { h.Addr, h.ID = tt.addr, tt.id })
			if err := (stages.Validate{}).Process(t.Context(), env); err != nil {
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
		{"neither stated: the configured values", 0, 0, 5000, 10_000},
		{"both stated: unchanged", 1000, 3000, 1000, 3000},
		{"a long interval lengthens the TTL", 20_000, 0, 20_000, 40_000},
		{"a short interval keeps the configured TTL", 1000, 0, 1000, 10_000},
		{"a short TTL shortens the interval", 0, 4000, 2000, 4000},
		{"a long TTL keeps the configured interval", 0, 60_000, 5000, 60_000},
	} {
		t.Run(tt.name, func(t *testing.T) {
			env := decoded(func(h *events.Heartbeat) { h.IntervalMS, h.TTLMS = tt.interval, tt.ttl })
			if err := (stages.Validate{}).Process(t.Context(), env); err != nil {
				t.Fatal(err)
			}
			if h := env.Heartbeat; h.IntervalMS != tt.wantInterval || h.TTLMS != tt.wantTTL {
				t.Errorf("got %d, %d ms; want %d, %d", h.IntervalMS, h.TTLMS, tt.wantInterval, tt.wantTTL)
			}
		})
	}
}
