package registrylog

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"rollcall/services/registry"
)

// ignores is a registry that ignores one heartbeat per second for each cause.
type ignores struct {
	began  time.Time
	causes []string
}

func (i ignores) Ignored(context.Context) ([]registry.IgnoredCause, error) {
	var all []registry.IgnoredCause
	for _, cause := range i.causes {
		all = append(all, registry.IgnoredCause{Count: uint64(time.Since(i.began) / time.Second), Service: "data", ID: "a",
			Ignored: registry.Ignored{Cause: cause, Addr: "10.0.0.7:80", Detail: "because of " + cause}})
	}
	return all, nil
}

func TestIgnoredHeartbeatsAreLoggedOncePerMinuteAndCause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		core, logs := observer.New(zap.InfoLevel)
		ctx, cancel := context.WithTimeout(t.Context(), 130*time.Second+time.Millisecond)
		defer cancel()
		logIgnored(ctx, ignores{time.Now(), []string{"seq", "left"}}, zap.New(core))
		lines := logs.All()
		if len(lines) != 6 { // for each of the two causes, one line at 5, 65 and 125 s
			t.Fatalf("%d lines, want 6", len(lines))
		}
		counted := uint64(0)
		for _, l := range lines {
			got := l.ContextMap()
			if got["cause"] == "seq" {
				counted += got["count"].(uint64)
			}
			if got["service"] != "data" || got["id"] != "a" || got["addr"] != "10.0.0.7:80" || got["detail"] == "" {
				t.Errorf("the line has %v", got)
			}
		}
		if counted != 125 {
			t.Errorf("the lines count %d, want 125", counted)
		}
	})
}

func TestNoLogWithoutIgnoredHeartbeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		core, logs := observer.New(zap.InfoLevel)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
		defer cancel()
		logIgnored(ctx, ignores{began: time.Now()}, zap.New(core))
		if n := logs.Len(); n != 0 {
			t.Errorf("%d lines", n)
		}
	})
}
