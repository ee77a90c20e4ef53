package canary_test

import (
	"math"
	"testing"
	"testing/synctest"
	"time"

	"rollcall/events"
)

// The nsqd "lossy" delivers 19 of 20 canaries, "late" delivers each canary after 8 s, and "refusing" accepts no canary.
func TestCanariesThatDoNotReturnAreLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBrokers("good", "lossy", "late", "refusing")
		b.set("refusing", true, refuse)
		s := mustRun(t, b)
		seen := make(map[string]int)
		deliver := func() {
			for _, addr := range []string{"good", "lossy", "late"} {
				calls := b.to(addr)
				for _, c := range calls[seen[addr]:] {
					h, err := events.DecodeHeartbeat([]byte(c.body))
					if err != nil {
						t.Fatal(err)
					}
					sent, _ := h.CanarySent("api-1", s.started)
					if addr == "late" && time.Since(sent) < 8*time.Second {
						break
					}
					if seen[addr]++; addr != "lossy" || seen[addr]%20 > 0 {
						s.Returned(addr, sent)
					}
				}
			}
		}
		for range 400 {
			time.Sleep(time.Second + time.Millisecond)
			deliver()
			s.Loss("lossy") // a call of Loss must not hide lost canaries from the counter
		}
		for addr, want := range map[string]float64{"good": 0, "lossy": 0.05, "late": 0, "refusing": 0, "unknown": 0} {
			if got := s.Loss(addr); math.Abs(got-want) > 0.005 {
				t.Errorf("loss of %s is %v, want %v", addr, got, want)
			}
		}
		if n, _ := s.count(t, "rollcall_canaries_total", "nsqd", "lossy", "result", "lost"); n < 18 || n > 20 {
			t.Errorf("%d canaries counted as lost, want 19", n)
		}
		if n := s.logs.FilterMessageSnippet("loses messages").Len(); n != 1 {
			t.Errorf("%d warnings, want 1", n)
		}
	})
}
