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
		{"all silent", []Finding{FindingSilent, FindingSilent}, "2 probes in a row failed"},
		{"those that gained an interval", []Finding{FindingAccepted, FindingAccepted}, "0 probes in a row failed"},
		{"all accepted", []Finding{FindingAccepted, FindingAccepted, FindingAccepted, FindingAccepted}, "2 probes in a row were accepted and told no id"},
		{"one of each", []Finding{FindingAccepted, FindingAccepted, FindingAccepted, FindingSilent}, "of 2 probes in a row 1 were accepted and told no id, and 1 failed"},
		{"before it told its id", []Finding{FindingAccepted, FindingAccepted, FindingAccepted, FindingIdentified, FindingSilent}, "1 probes in a row failed"},
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
			if r.doubt.answers() != tt.want {
				t.Errorf("got %q, want %q", r.doubt.answers(), tt.want)
			}
			s.mode = ModeNormal
			if e, _ := s.explain(r.key(), s.clock.last); tt.want != "1 probes in a row failed" && !strings.Contains(e.Summary, tt.want) { // that one is alive again
				t.Errorf("got %q, want it with %q", e.Summary, tt.want)
			}
		})
	}
}
