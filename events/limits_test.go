package events_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"rollcall/events"
)

// Each limit is tested by the last valid value and the first invalid one.
func TestLimits(t *testing.T) {
	a := func(n int) string { return strings.Repeat("a", n) }
	text := func(field string) func(int) string {
		return func(n int) string { return fmt.Sprintf(`"%s":"%s"`, field, a(n)) }
	}
	number := func(format string) func(int) string {
		return func(n int) string { return fmt.Sprintf(format, n) }
	}
	for _, tt := range []struct {
		name   string
		last   int // the largest valid value
		field  func(n int) string
		reason events.Reason
	}{
		{"bytes of id", events.MaxID, text("id"), events.ReasonMeta},
		{"bytes of id, counted in bytes and not in characters", 64, func(n int) string { return `"id":"` + strings.Repeat("é", n) + `"` }, events.ReasonMeta},
		{"bytes of zone", events.MaxLabel, text("zone"), events.ReasonMeta},
		{"bytes of version", events.MaxLabel, text("version"), events.ReasonMeta},
		{"bytes of a tag", events.MaxLabel, func(n int) string { return `"tags":["` + a(n) + `"]` }, events.ReasonMeta},
		{"tags", events.MaxTags, func(n int) string { return `"tags":["a"` + strings.Repeat(`,"a"`, n-1) + `]` }, events.ReasonMeta},
		{"bytes of a meta key", events.MaxMetaKey, func(n int) string { return `"meta":{"` + a(n) + `":""}` }, events.ReasonMeta},
		{"bytes of a meta value", events.MaxMetaValue, func(n int) string { return `"meta":{"k":"` + a(n) + `"}` }, events.ReasonMeta},
		{"meta keys", events.MaxMetaKeys, func(n int) string { return `"meta":` + string(mustJSON(t, manyKeys(n))) }, events.ReasonMeta},
		{"weight", events.MaxWeight, number(`"weight":%d`), events.ReasonWeight},
		{"negative weight", 0, func(n int) string { return fmt.Sprintf(`"weight":%d`, -n) }, events.ReasonWeight},
		{"interval below the TTL", 4999, number(`"ttl_ms":5000,"interval_ms":%d`), events.ReasonInterval},
		{"interval alone", 86_400_000, number(`"interval_ms":%d`), events.ReasonInterval},
		{"TTL", 86_400_000, number(`"ttl_ms":%d`), events.ReasonInterval},
	} {
		t.Run(tt.name, func(t *testing.T) {
			mustAccept(t, required(tt.field(tt.last)))
			if err := mustReject(t, required(tt.field(tt.last+1))); err.Reason != tt.reason {
				t.Errorf("reason %s, want %s (%v)", err.Reason, tt.reason, err)
			}
		})
	}
}

func TestLimitOfBody(t *testing.T) {
	body := required("")
	body += strings.Repeat(" ", events.MaxBody-len(body))
	mustAccept(t, body)
	if err := mustReject(t, body+" "); err.Reason != events.ReasonTooLarge {
		t.Errorf("reason %s (%v)", err.Reason, err)
	}
}

// Numbers without a limit may have any value of their type.
func TestLargestNumbers(t *testing.T) {
	h := mustAccept(t, required(`"incarnation":9223372036854775807,"seq":18446744073709551615,"load":{"in_flight":9223372036854775807}`))
	if h.Incarnation != 1<<63-1 || h.Seq != 1<<64-1 || h.Load.InFlight != 1<<63-1 {
		t.Errorf("got %+v, %+v", h, h.Load)
	}
}

func TestValidService(t *testing.T) {
	for s, want := range map[string]bool{
		"a": true, "0": true, "data": true, "data-2": true, "a--b": true, "9a": true,
		strings.Repeat("a", 63): true, strings.Repeat("a", 64): false,
		"": false, "-": false, "-a": false, "a-": false, "A": false, "aB": false, "a.b": false, "a_b": false, "../x": false,
		"a\n": false, "é": false, "a`": false, "a{": false, "a/": false, "a:": false,
	} {
		if got := events.ValidService(s); got != want {
			t.Errorf("%q: %v, want %v", s, got, want)
		}
	}
}

func TestFillLease(t *testing.T) {
	for _, tt := range []struct {
		name                  string
		interval, ttl         int64 // milliseconds that the heartbeat states; 0 if it states none
		wantInterval, wantTTL int64
	}{
		{"neither stated", 0, 0, 5000, 10000},
		{"both stated", 1000, 3000, 1000, 3000},
		{"a short interval keeps the default TTL", 1000, 0, 1000, 10000},
		{"a long interval lengthens the TTL", 30000, 0, 30000, 60000},
		{"a long TTL keeps the default interval", 0, 60000, 5000, 60000},
		{"a short TTL shortens the interval", 0, 4000, 2000, 4000},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := events.Heartbeat{IntervalMS: tt.interval, TTLMS: tt.ttl}
			h.FillLease(5*time.Second, 10*time.Second)
			if h.IntervalMS != tt.wantInterval || h.TTLMS != tt.wantTTL {
				t.Errorf("interval %d, ttl %d; want %d, %d", h.IntervalMS, h.TTLMS, tt.wantInterval, tt.wantTTL)
			}
		})
	}
}

func manyKeys(n int) map[string]string {
	m := make(map[string]string, n)
	for i := range n {
		m[fmt.Sprint("k", i)] = "v"
	}
	return m
}
