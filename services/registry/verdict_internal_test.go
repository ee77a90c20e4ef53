package registry

import (
	"strings"
	"testing"
	"time"
)

// suspectFor returns a state in mode normal, and the time of its last tick. The state has one server, which sent a single
// heartbeat. Between this heartbeat and the last tick is at least the duration silent.
func suspectFor(t *testing.T, cfg Config, silent time.Duration) (*state, time.Time) {
	t.Helper()
	s := mustState(t, cfg)
	start := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	warm(s, start)
	heartbeatVia("a", 0)(s, 0, start)
	at := start
	for ; at.Sub(start) < silent; at = at.Add(testTick) {
		s.tick(at.Add(testTick), nil)
	}
	return s, at
}

func summaryOf(s *state) string {
	e, _ := s.explain(firstOf(s).key(), s.clock.last)
	return e.Summary
}

func TestExplainStatesTheRuleThatApplies(t *testing.T) {
	for _, tt := range []struct {
		name    string
		probing bool
		set     func(s *state, r *record, at time.Time)
		want    string
		not     string
	}{
		{"holding without probes ends a server after a second TTL", false, func(s *state, _ *record, _ time.Time) { s.mode = ModeHolding },
			"it expires in 12s", "three probes"},
		{"answers to probes renew the lease for a minute only", true, func(s *state, r *record, at time.Time) {
			r.beat = s.clock.lease - 61*leaseSecond
		}, "no heartbeat has arrived for more than 1m0s", "three probes"},
		{"heartbeats with the same id keep a server", true, func(s *state, r *record, at time.Time) {
			s.ignored.entries[r.key()] = &ignored{key: r.key(), last: s.clock.last, seen: s.clock.last, ttl: 10 * time.Second}
		}, "it is kept", "it expires in"},
		{"a server that cannot be probed is kept after its TTL", true, func(s *state, r *record, at time.Time) {
			r.stamp -= 20 * leaseSecond
		}, "it expires when 3 probes", "expires in 0s"},
		{"a server without failed probes expires a minute after its last heartbeat", true, func(s *state, r *record, _ time.Time) {
			r.beat = s.clock.lease - 15*leaseSecond
		}, "or in 45s without a heartbeat", "three probes"},
		{"a young lease keeps a server beyond the minute", true, func(s *state, r *record, _ time.Time) {
			s.servers[key{}] = r // now there are two servers, and neither answers probes
			r.inquiry.failed, r.inquiry.failedAt = failuresToExpire, s.probes.answered+1
			r.beat, r.stamp = s.clock.lease-59*leaseSecond, s.clock.lease-8*leaseSecond
		}, "for at most 2s", "for at most 1s"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, at := suspectFor(t, Config{Probing: tt.probing}, 8*time.Second)
			tt.set(s, firstOf(s), at)
			got := summaryOf(s)
			if !strings.Contains(got, tt.want) || strings.Contains(got, tt.not) {
				t.Errorf("got %q, want %q in it and not %q", got, tt.want, tt.not)
			}
		})
	}
}

func TestExplainOfLiveServerInHoldingWithoutProbes(t *testing.T) {
	s, _ := suspectFor(t, Config{}, time.Second)
	s.mode = ModeHolding
	if got := summaryOf(s); !strings.Contains(got, "expires after 20s") {
		t.Errorf("got %q, want it to expire after a second TTL", got)
	}
}

func TestDetailOfHoldingWithoutProbesDoesNotMentionProbes(t *testing.T) {
	s := mustState(t, Config{})
	if got := s.modeDetail(ModeHolding); strings.Contains(got, "asked") || strings.Contains(got, "probed") {
		t.Errorf("got %q although probes are off", got)
	}
}

const leaseSecond = leaseTime(time.Second)
