package proxy

import (
	"testing"
	"time"
)

// What a client has taken lets it pause once, and not again and again.
func TestPatience(t *testing.T) {
	t.Parallel()
	const stall = 30 * time.Second
	for name, row := range map[string]struct {
		taken  int64
		waited time.Duration
		want   time.Duration
	}{
		"nothing taken":                {0, 0, stall},
		"nothing taken for long":       {0, time.Hour, stall},
		"80 kB/s for a minute":         {60 * 80_000, time.Minute, stall + 60*80_000*time.Second/steadyRate - time.Minute},
		"80 kB/s for an hour":          {3600 * 80_000, time.Hour, 11 * stall},
		"5 MiB at once":                {5 << 20, time.Second, 11 * stall},
		"5 MiB, then a pause":          {5 << 20, 320 * time.Second, stall},
		"5 MiB, then 64 KiB each 30 s": {5<<20 + 20<<16, 600 * time.Second, stall},
		"as much as is counted":        {maxTaken, time.Hour, 11 * stall},
	} {
		if got := patience(row.taken, row.waited, stall); got != row.want {
			t.Errorf("%s: got %v, want %v", name, got, row.want)
		}
	}
}
