package harness

import (
	"cmp"
	"fmt"
	"slices"
	"testing"
	"time"
)

// AtMost logs a measured value beside its limit, and fails the test if the value exceeds the limit.
func AtMost[T cmp.Ordered](tb testing.TB, what string, value, limit T) {
	tb.Helper()
	tb.Logf("%s: %v (at most %v)", what, value, limit)
	if value > limit {
		tb.Errorf("%s: %v, want at most %v", what, value, limit)
	}
}

// PercentileAtMost is like AtMost. The measured value is the given percentile of the durations.
func PercentileAtMost(tb testing.TB, what string, values []time.Duration, percent int, limit time.Duration) {
	tb.Helper()
	if len(values) == 0 {
		tb.Fatalf("%s: nothing was measured", what)
	}
	v := slices.Sorted(slices.Values(values))
	at := func(percent int) time.Duration {
		return v[min(len(v)-1, len(v)*percent/100)].Round(100 * time.Microsecond)
	}
	AtMost(tb, fmt.Sprintf("%s: %d measured, p50 %v, worst %v, p%d", what, len(v), at(50), at(100), percent), at(percent), limit)
}

// Median sorts the given slice and returns its median.
func Median(v []float64) float64 {
	slices.Sort(v)
	return v[len(v)/2]
}

// Every calls the function f once per interval, until duration has passed.
func Every(interval, duration time.Duration, f func()) {
	ticks := time.NewTicker(interval)
	defer ticks.Stop()
	for end := time.Now().Add(duration); time.Now().Before(end); {
		<-ticks.C
		f()
	}
}
