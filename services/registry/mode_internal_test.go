package registry

import (
	"strings"
	"testing"
	"time"
)

func TestDetailOfBlindHasTheCause(t *testing.T) {
	for _, tt := range []struct {
		name  string
		cause func() string
		want  string
	}{
		{"no BlindCause", nil, ": the cause is unknown; "},
		{"an empty cause", func() string { return "" }, ": the cause is unknown; "},
		{"a cause", func() string { return "topic t is paused" }, ": topic t is paused; "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg := Config{Observer: "api-1", BlindCause: tt.cause}
			cfg.setDefaults()
			s := newState(cfg)
			start := time.Now()
			for at := range 20 {
				s.tick(start.Add(time.Duration(at)*250*time.Millisecond), []string{"n:1"})
			}
			if s.mode != ModeBlind || !strings.Contains(s.modeDetail(s.mode), tt.want) {
				t.Errorf("mode %s: %q, want %q in it", s.mode, s.modeDetail(s.mode), tt.want)
			}
		})
	}
}
