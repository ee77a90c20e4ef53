package registry

import (
	"strings"
	"testing"
	"time"
)

func TestSummaryCountsAcceptedProbesApart(t *testing.T) {
	for _, tt := range []struct {
		name     string
		findings []Finding // findings of probes that are a second apart
		want     string
	}{
		{"silent probes failed", []Finding{FindingSilent, FindingSilent}, "so far 2 failed"},
		{"two accepted probes extend the lease and do not count", []Finding{FindingAccepted, FindingAccepted}, "none so far"},
		{"further accepted probes count", []Finding{FindingAccepted, FindingAccepted, FindingAccepted, FindingAccepted}, "so far 2 accepted without an id"},
		{"accepted and failed probes", []Finding{FindingAccepted, FindingAccepted, FindingAccepted, FindingSilent}, "so far 1 failed, 1 accepted without an id"},
		{"an answer with the id starts again", []Finding{FindingAccepted, FindingAccepted, FindingAccepted, FindingIdentified, FindingSilent}, "so far 1 failed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := mustState(t, Config{Probing: true})
			start := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
			heartbeatVia("a", 0)(s, 0, start)
			for now := time.Duration(0); now <= 7*time.Second; now += testTick {
				s.tick(start.Add(now), nil)
			}
			r := firstOf(s)
			for i, f := range tt.findings {
				at := start.Add(7*time.Second + time.Duration(i)*time.Second)
				s.report(Evidence{Probe: Probe{Service: r.view.Service, ID: r.view.ID, Addr: r.view.Addr, Incarnation: r.incarnation}, Finding: f, Source: SourceProbe, Began: at, Ended: at})
			}
			if r.inquiry.probes() != tt.want {
				t.Errorf("got %q, want %q", r.inquiry.probes(), tt.want)
			}
			s.mode = ModeNormal
			if e, _ := s.explain(r.key(), s.clock.last); tt.want != "so far 1 failed" && !strings.Contains(e.Summary, tt.want) { // in the last case the server is alive, so that the summary does not mention probes
				t.Errorf("got %q, want %q in it", e.Summary, tt.want)
			}
		})
	}
}
