package app_test

import (
	"testing"
	"time"

	"go.uber.org/goleak"
)

// lookupdPolls is what nsqd leaves: it asks nsqlookupd over HTTP when it makes a topic, and both keep that
// connection for 90 s.
func lookupdPolls() []goleak.Option {
	return []goleak.Option{
		goleak.IgnoreAnyFunction("net/http.(*persistConn).readLoop"),
		goleak.IgnoreAnyFunction("net/http.(*persistConn).writeLoop"),
		goleak.IgnoreAnyFunction("net/http.(*conn).serve"),
	}
}

func TestMain(m *testing.M) { goleak.VerifyTestMain(m, lookupdPolls()...) }

// watchLeaks gives what fails if a goroutine is left that is not there now.
func watchLeaks(t testing.TB, ignored ...goleak.Option) (leftNothing func()) {
	t.Helper()
	ignored = append(ignored, goleak.IgnoreCurrent())
	return func() {
		t.Helper()
		goleak.VerifyNone(t, ignored...)
	}
}

// eventually polls until ok holds.
func eventually(t testing.TB, limit time.Duration, what string, ok func() bool) {
	t.Helper()
	start := time.Now()
	poll := time.NewTicker(5 * time.Millisecond)
	defer poll.Stop()
	for !ok() {
		if (<-poll.C).Sub(start) > limit {
			t.Fatalf("%s: not so within %v", what, limit)
		}
	}
}
