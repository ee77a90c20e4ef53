package main

import (
	"runtime/debug"
	"testing"
)

func TestLimitGarbage(t *testing.T) {
	before := debug.SetGCPercent(100)
	t.Cleanup(func() { debug.SetGCPercent(before) })
	t.Setenv("GOGC", "100")
	limitGarbage()
	if got := debug.SetGCPercent(100); got != 100 {
		t.Errorf("with GOGC=100 the percentage is %d", got)
	}
	t.Setenv("GOGC", "")
	limitGarbage()
	if got := debug.SetGCPercent(100); got != gcPercent {
		t.Errorf("without GOGC the percentage is %d, want %d", got, gcPercent)
	}
}
