package proxy

import (
	"testing"
	"time"
)

// A client that has read much of a response may pause once for longer than the stall timeout, but not several times.
func TestPatience(t *testing.T) {
	t.Parallel()
	const stall = 30 * time.Second
	for name, row := range map[string]struct {
		taken  int64
		waited time.Duration
		want   time.Duration
	}{
		"no byte was read":              {0, 0, stall},
		"no byte was read for an hour":  {0, time.Hour, stall},
		"80 kB/s for a minute":          {60 * 80_000, time.Minute, stall + 60*80_000*time.Second/steadyRate - time.Minute},
		"80 kB/s for an hour":           {3600 * 80_000, time.Hour, 11 * stall},
		"5 MiB at once":                 {5 << 20, time.Second, 11 * stall},
		"5 MiB, then a pause":           {5 << 20, 320 * time.Second, stall},
		"5 MiB, then 64 KiB every 30 s": {5<<20 + 20<<16, 600 * time.Second, stall},
		"the most that is counted":      {maxTaken, time.Hour, 11 * stall},
	} {
		if got := patience(row.taken, row.waited, stall); got != row.want {
			t.Errorf("%s: got %v, want %v", name, got, row.want)
		}
	}
}
