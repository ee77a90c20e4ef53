package registry

import (
	"fmt"
	"testing"
	"time"
)

// Servers may publish to an nsqd that accepts connections and delivers nothing, for example because its topic is paused. Such an
// nsqd must slow the lease clock, even if it has delivered nothing since this process started.
func TestConnectedNSQDWithoutMessagesIsSilent(t *testing.T) {
	connected := map[string]bool{"silent": true, "late": false, "never": false}
	c := newLeaseClock(testInterval, testTick, time.Second)
	c.reached = func(addr string) bool { return connected[addr] }
	known := []string{"heard", "silent", "late", "never"}
	run := func(d time.Duration) time.Duration {
		before := c.lease
		for end := c.last + d; c.last < end; {
			c.received("heard", c.last+testTick, 0)
			c.advance(c.last+testTick, known)
		}
		return c.lease.sub(before).Round(time.Millisecond)
	}
	run(10 * time.Second)
	if got := fmt.Sprint(c.list()); got != "[{heard receiving 0s} {late unreached 0s} {never unreached 0s} {silent silent 0s}]" {
		t.Errorf("nsqd %s", got)
	}
	if got := run(10 * time.Second); got != 5*time.Second {
		t.Errorf("L advances by %v in 10 s with one of two silent, want 5 s", got)
	}
	connected["late"] = true
	run(testSilentAfter + testTick)
	if got := run(9 * time.Second); got != 3*time.Second {
		t.Errorf("L advances by %v in 9 s with two of three silent, want 3 s", got)
	}
	if c.unreached != 1 {
		t.Errorf("%d unreached, want 1", c.unreached)
	}
	connected["silent"] = false // servers may still publish to this nsqd, so it must still slow the lease clock
	if got := run(9 * time.Second); got != 3*time.Second {
		t.Errorf("L advances by %v in 9 s after a connection is lost, want 3 s", got)
	}
}

func TestNSQDIsSilentAfterTwoCanariesAndAHalf(t *testing.T) {
	for _, canaries := range []time.Duration{time.Second, 2 * time.Second} {
		c := newLeaseClock(testInterval, testTick, canaries)
		c.received("a", 0, 0)
		for c.last < canaries*5/2-testTick {
			c.advance(c.last+testTick, []string{"a"})
		}
		if got := c.silentNSQD(); len(got) != 0 {
			t.Errorf("canaries every %v: %v silent after %v", canaries, got, c.last)
		}
		c.advance(c.last+testTick, []string{"a"})
		if got := c.silentNSQD(); len(got) != 1 {
			t.Errorf("canaries every %v: %v silent after %v, want a", canaries, got, c.last)
		}
	}
}
