package harness

import (
	"cmp"
	"fmt"
	"slices"
	"testing"
	"time"
)

// AtMost tells the figure of a row of the fault matrix, and fails if it is beyond its limit.
func AtMost[T cmp.Ordered](tb testing.TB, what string, figure, limit T) {
	tb.Helper()
	tb.Logf("%s: %v (at most %v)", what, figure, limit)
	if figure > limit {
		tb.Errorf("%s: %v, want at most %v", what, figure, limit)
	}
}

// PercentileAtMost is row for many durations, of which so many of a hundred must be within the limit.
func PercentileAtMost(tb testing.TB, what string, figures []time.Duration, percent int, limit time.Duration) {
	tb.Helper()
	if len(figures) == 0 {
		tb.Fatalf("%s: nothing was measured", what)
	}
	f := slices.Sorted(slices.Values(figures))
	at := func(percent int) time.Duration {
		return f[min(len(f)-1, len(f)*percent/100)].Round(100 * time.Microsecond)
	}
	AtMost(tb, fmt.Sprintf("%s: %d of them, p50 %v, worst %v, p%d", what, len(f), at(50), at(100), percent), at(percent), limit)
}

func Median(v []float64) float64 {
	slices.Sort(v)
	return v[len(v)/2]
}

// Every calls f in this interval for so long.
func Every(interval, lasts time.Duration, f func()) {
	ticks := time.NewTicker(interval)
	defer ticks.Stop()
	for end := time.Now().Add(lasts); time.Now().Before(end); {
		<-ticks.C
		f()
	}
}
