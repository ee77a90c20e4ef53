package integration

import (
	"testing"
	"time"
)

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// pass waits.
func pass(d time.Duration) { <-time.After(d) }

// eventually asks every few milliseconds until the condition holds.
func eventually(tb testing.TB, within time.Duration, what string, holds func() bool) {
	tb.Helper()
	deadline := time.NewTimer(within)
	defer deadline.Stop()
	ask := time.NewTicker(5 * time.Millisecond)
	defer ask.Stop()
	for !holds() {
		select {
		case <-ask.C:
		case <-deadline.C:
			tb.Fatalf("not within %v: %s", within, what)
		}
	}
}
