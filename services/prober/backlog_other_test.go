//go:build !linux

package prober_test

import "testing"

// mustFull skips the test: other kernels treat a full backlog in other ways.
func mustFull(t testing.TB) (addr string) {
	t.Helper()
	t.Skip("needs Linux")
	return ""
}
