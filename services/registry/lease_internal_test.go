package registry

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"
)

const (
	testInterval = 5 * time.Second
	testTick     = 250 * time.Millisecond

	testSilentAfter = 2500 * time.Millisecond // two and a half times the interval of canaries, which is a second
)

// receivingClock returns a lease clock that has run for one second, and the time of its next tick. At every tick of this second,
// a message arrived through each nsqd.
func receivingClock(t *testing.T, nsqd ...string) (*leaseClock, time.Duration) {
	t.Helper()
	c := newLeaseClock(testInterval, testTick, time.Second)
	now := time.Duration(0)
	for ; now < time.Second; now += testTick {
		for _, addr := range nsqd {
			c.received(addr, now, 0)
		}
		if credit := c.advance(now, nsqd); credit != 0 {
			t.Fatalf("a credit of %v while every nsqd is receiving", credit)
		}
	}
	return &c, now
}

func TestLeaseClockSpeed(t *testing.T) {
	three := []string{"a", "b", "c"}
	for _, tt := range []struct {
		name      string
		g, lag    time.Duration // g is the time from the previous tick to the measured tick; lag is how long one message waited in the mailbox
		receiving []string      // nsqd that deliver a message at each tick, up to the measured tick
		known     []string
		want      time.Duration // how far the lease time (L) advances at the measured tick
	}{
		{"every nsqd is receiving", testTick, 0, three, three, testTick},
		{"one of three nsqd is silent", testTick, 0, []string{"a", "b"}, three, testTick * 2 / 3},
		{"two of three nsqd are silent", testTick, 0, []string{"a"}, three, testTick / 3},
		{"every nsqd is silent", testTick, 0, nil, three, 0},
		{"there is no nsqd", testTick, 0, nil, []string{}, 0},
		{"an nsqd that never delivered does not count", testTick, 0, three, []string{"a", "b", "c", "d"}, testTick},
		{"nine nsqd that never delivered do not count", testTick, 0, []string{"a"}, []string{"a", "n1", "n2", "n3", "n4", "n5", "n6", "n7", "n8", "n9"}, testTick},
		{"a late tick counts for up to two ticks", 2 * testTick, 0, three, three, 2 * testTick},
		{"a very late tick counts for two ticks", time.Minute, 0, three, three, 2 * testTick},
		{"a message waited in the mailbox for a second", testTick, time.Second, three, three, testTick},
		{"a message waited in the mailbox for more than a second", testTick, time.Second + 1, three, three, 0},
		{"the list of nsqd is nil", testTick, 0, nil, nil, testTick},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, now := receivingClock(t, three...)
			for ; now < 10*time.Second; now += testTick {
				for _, addr := range tt.receiving {
					c.received(addr, now, 0)
				}
				c.advance(now, tt.known)
			}
			before, now := c.lease, c.last+tt.g
			for _, addr := range tt.receiving {
				c.received(addr, now, 0)
			}
			if tt.lag > 0 {
				c.received("a", c.last-tt.lag, 0)
			}
			c.advance(now, tt.known)
			if got := c.lease.sub(before); got != tt.want {
				t.Errorf("L advanced by %v, want %v", got, tt.want)
			}
		})
	}
}

func TestLeaseClockCredits(t *testing.T) {
	for _, tt := range []struct {
		name string
		play func(c *leaseClock, now time.Duration) time.Duration // advances the clock c, and returns the last credit
		want time.Duration
	}{
		{"a pause of this process", func(c *leaseClock, now time.Duration) time.Duration {
			return c.advance(now+2*time.Second, []string{"a", "b"})
		}, 2 * time.Second}, // the previous tick came at now-testTick
		{"a long pause gives no more than an interval", func(c *leaseClock, now time.Duration) time.Duration {
			return c.advance(now+time.Minute, []string{"a", "b"})
		}, testInterval},
		{"a tick that is late by one tick gives nothing", func(c *leaseClock, now time.Duration) time.Duration {
			return c.advance(now+testTick, []string{"a", "b"})
		}, 0},
		{"an nsqd becomes silent", func(c *leaseClock, now time.Duration) time.Duration {
			return quiet(c, now, now+testSilentAfter-testTick, "a") // the last message through the nsqd "b" came at now-testTick
		}, testSilentAfter},
		{"an nsqd stays silent", func(c *leaseClock, now time.Duration) time.Duration {
			quiet(c, now, now+testSilentAfter-testTick, "a")
			return quiet(c, now+testSilentAfter, now+time.Minute, "a")
		}, 0},
		{"an nsqd is receiving again, after a second", func(c *leaseClock, now time.Duration) time.Duration {
			quiet(c, now, now+testSilentAfter+time.Second-testTick, "a")
			return quiet(c, now+testSilentAfter+time.Second, now+testSilentAfter+time.Second, "a", "b")
		}, time.Second + testTick},
		{"an nsqd is receiving again, after a minute", func(c *leaseClock, now time.Duration) time.Duration {
			quiet(c, now, now+time.Minute, "a")
			return quiet(c, now+time.Minute+testTick, now+time.Minute+testTick, "a", "b")
		}, testInterval},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, now := receivingClock(t, "a", "b")
			if got := tt.play(c, now); got != tt.want {
				t.Errorf("credit %v, want %v", got, tt.want)
			}
		})
	}
}

// quiet ticks the clock c. The first tick is at the parameter from, and the last tick is at the parameter to. Messages arrive
// only through the nsqd in receiving. quiet returns the credit of the last tick.
func quiet(c *leaseClock, from, to time.Duration, receiving ...string) (credit time.Duration) {
	for now := from; now <= to; now += testTick {
		for _, addr := range receiving {
			c.received(addr, now, 0)
		}
		credit = c.advance(now, []string{"a", "b"})
	}
	return credit
}

func TestPauseOfThisProcessMakesNoNSQDSilent(t *testing.T) {
	c, now := receivingClock(t, "a", "b")
	c.advance(now+time.Minute, []string{"a", "b"})
	if silent := c.silentNSQD(); len(silent) != 0 || c.blind() {
		t.Errorf("silent %v, blind %v; want none", silent, c.blind())
	}
	// No message arrives after the pause.
	quiet(c, now+time.Minute+testTick, now+time.Minute+testSilentAfter)
	if silent := c.silentNSQD(); len(silent) != 2 || !c.blind() {
		t.Errorf("silent %v, blind %v; want both, and blind", silent, c.blind())
	}
}

func TestRemovedNSQDDoesNotCount(t *testing.T) {
	c, now := receivingClock(t, "a", "b")
	quiet(c, now, now+10*time.Second, "a")
	before := c.lease
	c.received("a", c.last+testTick, 0)
	c.advance(c.last+testTick, []string{"a"})
	if got := c.lease.sub(before); got != testTick {
		t.Errorf("L advanced by %v, want %v", got, testTick)
	}
	if got := fmt.Sprint(c.list()); got != "[{a receiving 0s}]" {
		t.Errorf("nsqd %s", got)
	}
}

// The lease time (L) never decreases and never advances faster than real time. No credit is larger than an interval. The sum of
// all credits is at most the credit limit plus half of L. Therefore the age of a silent server grows, whatever credits the server
// gets.
func TestLeaseClockIsNeverFast(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := newLeaseClock(testInterval, testTick, time.Second)
		now := time.Duration(0)
		nsqd := []string{"a", "b", "c"}
		credited := time.Duration(0)
		t.Repeat(map[string]func(*rapid.T){
			"saw": func(t *rapid.T) {
				c.received(rapid.SampledFrom(append(nsqd, "d")).Draw(t, "via"), now-time.Duration(rapid.Int64Range(-3000, 3000).Draw(t, "ms"))*time.Millisecond, 0)
			},
			"tick": func(t *rapid.T) {
				g := time.Duration(rapid.SampledFrom([]int{0, 1, 250, 250, 250, 251, 500, 501, 6000, 60_000}).Draw(t, "g")) * time.Millisecond
				lag := time.Duration(rapid.SampledFrom([]int{0, 0, 0, 2000}).Draw(t, "lag")) * time.Millisecond
				if lag > 0 {
					c.received("a", c.last-lag, 0)
				}
				before, at := c.lease, c.at(now+g)
				now += g
				credit := c.advance(now, nsqd[:rapid.IntRange(0, 3).Draw(t, "known")])
				if c.lease < before || c.lease.sub(before) > g || at.sub(before) > g {
					t.Fatalf("L advanced from %v to %v (%v before the tick) in %v", before, c.lease, at, g)
				}
				if credit < 0 || credit > testInterval {
					t.Fatalf("credit %v", credit)
				}
				if credited += credit; credited > c.maxCreditLimit()+time.Duration(c.lease)/2 {
					t.Fatalf("credits of %v in all while L advanced to %v", credited, c.lease)
				}
			},
		})
	})
}
