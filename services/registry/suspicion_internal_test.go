package registry

import (
	"strings"
	"testing"
	"time"
)

func TestAnAcceptedProbeIsNotToldAsFailed(t *testing.T) {
	for _, tt := range []struct {
		name     string
		findings []Finding // of one question a second
		want     string
	}{
		{"all silent", []Finding{FindingSilent, FindingSilent}, "so far 2 failed"},
		{"those that gained an interval", []Finding{FindingAccepted, FindingAccepted}, "none so far"},
		{"all accepted", []Finding{FindingAccepted, FindingAccepted, FindingAccepted, FindingAccepted}, "so far 2 accepted without an id"},
		{"one of each", []Finding{FindingAccepted, FindingAccepted, FindingAccepted, FindingSilent}, "so far 1 failed, 1 accepted without an id"},
		{"before it told its id", []Finding{FindingAccepted, FindingAccepted, FindingAccepted, FindingIdentified, FindingSilent}, "so far 1 failed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := mustState(t, Config{Probing: true})
			start := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
			heartbeatVia("a", 0)(s, 0, start)
			for now := time.Duration(0); now <= 7*time.Second; now += testTick {
				s.tick(start.Add(now), nil)
			}
			r := s.order[0]
			for i, f := range tt.findings {
				at := start.Add(7*time.Second + time.Duration(i)*time.Second)
				s.report(Evidence{Probe: Probe{Service: r.view.Service, ID: r.view.ID, Addr: r.view.Addr, Incarnation: r.incarnation}, Finding: f, Source: SourceProbe, Began: at, Ended: at})
			}
			if r.inquiry.probes() != tt.want {
				t.Errorf("got %q, want %q", r.inquiry.probes(), tt.want)
			}
			s.mode = ModeNormal
			if e, _ := s.explain(r.key(), s.clock.last); tt.want != "so far 1 failed" && !strings.Contains(e.Summary, tt.want) { // that one is alive again
				t.Errorf("got %q, want it with %q", e.Summary, tt.want)
			}
		})
	}
}
