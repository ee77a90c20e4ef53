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

	testSilentAfter = 2500 * time.Millisecond // with a canary per second
)

// mustHear is a clock that has ticked for a second, with a message through each nsqd at every tick.
func mustHear(t *testing.T, nsqd ...string) (*leaseClock, time.Duration) {
	t.Helper()
	c := newLeaseClock(testInterval, testTick, time.Second)
	now := time.Duration(0)
	for ; now < time.Second; now += testTick {
		for _, addr := range nsqd {
			c.received(addr, now, 0)
		}
		if credit := c.advance(now, nsqd); credit != 0 {
			t.Fatalf("a credit of %v while everything is heard", credit)
		}
	}
	return &c, now
}

func TestLeaseClockRunsAsFarAsWeHear(t *testing.T) {
	three := []string{"a", "b", "c"}
	for _, tt := range []struct {
		name   string
		g, lag time.Duration // of one tick
		heard  []string      // in that time, and as long as before
		known  []string
		want   time.Duration // how far L goes
	}{
		{"all are heard", testTick, 0, three, three, testTick},
		{"one of three is blind", testTick, 0, []string{"a", "b"}, three, testTick * 2 / 3},
		{"two of three are blind", testTick, 0, []string{"a"}, three, testTick / 3},
		{"all are blind", testTick, 0, nil, three, 0},
		{"there is no nsqd", testTick, 0, nil, []string{}, 0},
		{"one that was never heard counts for nothing", testTick, 0, three, []string{"a", "b", "c", "d"}, testTick},
		{"nor do nine of ten", testTick, 0, []string{"a"}, []string{"a", "n1", "n2", "n3", "n4", "n5", "n6", "n7", "n8", "n9"}, testTick},
		{"a late tick counts whole up to two", 2 * testTick, 0, three, three, 2 * testTick},
		{"and no more than two", time.Minute, 0, three, three, 2 * testTick},
		{"the mailbox lags by a second", testTick, time.Second, three, three, testTick},
		{"by more", testTick, time.Second + 1, three, three, 0},
		{"nobody cares for nsqd", testTick, 0, nil, nil, testTick},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, now := mustHear(t, three...)
			for ; now < 10*time.Second; now += testTick {
				for _, addr := range tt.heard {
					c.received(addr, now, 0)
				}
				c.advance(now, tt.known)
			}
			before, now := c.lease, c.last+tt.g
			for _, addr := range tt.heard {
				c.received(addr, now, 0)
			}
			if tt.lag > 0 {
				c.received("a", c.last-tt.lag, 0)
			}
			c.advance(now, tt.known)
			if got := c.lease.sub(before); got != tt.want {
				t.Errorf("L went on by %v, want %v", got, tt.want)
			}
		})
	}
}

func TestLeaseClockGivesBack(t *testing.T) {
	for _, tt := range []struct {
		name string
		play func(c *leaseClock, now time.Duration) time.Duration // the credit
		want time.Duration
	}{
		{"a stall of ours, up to an interval", func(c *leaseClock, now time.Duration) time.Duration {
			return c.advance(now+2*time.Second, []string{"a", "b"})
		}, 2 * time.Second}, // the last tick was a tick ago
		{"and no more", func(c *leaseClock, now time.Duration) time.Duration {
			return c.advance(now+time.Minute, []string{"a", "b"})
		}, testInterval},
		{"a tick that is late by no more than one", func(c *leaseClock, now time.Duration) time.Duration {
			return c.advance(now+testTick, []string{"a", "b"})
		}, 0},
		{"an nsqd that goes blind", func(c *leaseClock, now time.Duration) time.Duration {
			return quiet(c, now, now+testSilentAfter-testTick, "a") // it was heard a tick ago
		}, testSilentAfter},
		{"and is not heard any longer", func(c *leaseClock, now time.Duration) time.Duration {
			quiet(c, now, now+testSilentAfter-testTick, "a")
			return quiet(c, now+testSilentAfter, now+time.Minute, "a")
		}, 0},
		{"one that is heard again, as long as it was blind", func(c *leaseClock, now time.Duration) time.Duration {
			quiet(c, now, now+testSilentAfter+time.Second-testTick, "a")
			return quiet(c, now+testSilentAfter+time.Second, now+testSilentAfter+time.Second, "a", "b")
		}, time.Second + testTick},
		{"and no longer than an interval", func(c *leaseClock, now time.Duration) time.Duration {
			quiet(c, now, now+time.Minute, "a")
			return quiet(c, now+time.Minute+testTick, now+time.Minute+testTick, "a", "b")
		}, testInterval},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, now := mustHear(t, "a", "b")
			if got := tt.play(c, now); got != tt.want {
				t.Errorf("credit %v, want %v", got, tt.want)
			}
		})
	}
}

// quiet ticks from one moment to another while only heard are, and returns the last credit.
func quiet(c *leaseClock, from, to time.Duration, heard ...string) (credit time.Duration) {
	for now := from; now <= to; now += testTick {
		for _, addr := range heard {
			c.received(addr, now, 0)
		}
		credit = c.advance(now, []string{"a", "b"})
	}
	return credit
}

// A pause of ours is no silence of an nsqd.
func TestAfterAStallOfOursNobodyIsBlind(t *testing.T) {
	c, now := mustHear(t, "a", "b")
	c.advance(now+time.Minute, []string{"a", "b"})
	if blind := c.silentNSQD(); len(blind) != 0 || c.blind() {
		t.Errorf("blind %v, deaf %v; want nobody", blind, c.blind())
	}
	// But if nothing comes now, either.
	quiet(c, now+time.Minute+testTick, now+time.Minute+testSilentAfter)
	if blind := c.silentNSQD(); len(blind) != 2 || !c.blind() {
		t.Errorf("blind %v, deaf %v; want both, and deaf", blind, c.blind())
	}
}

func TestOneThatIsNoLongerKnownLeavesTheCount(t *testing.T) {
	c, now := mustHear(t, "a", "b")
	quiet(c, now, now+10*time.Second, "a")
	before := c.lease
	c.received("a", c.last+testTick, 0)
	c.advance(c.last+testTick, []string{"a"})
	if got := c.lease.sub(before); got != testTick {
		t.Errorf("L went on by %v, want %v", got, testTick)
	}
	if got := fmt.Sprint(c.list()); got != "[{a receiving 0s}]" {
		t.Errorf("nsqd %s", got)
	}
}

// Whatever happens, L goes forward, never faster than time, no credit is larger than an interval, and all of them together
// are no more than the credit limit and half of L: so a silent server gets older.
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
					t.Fatalf("L went from %v to %v (%v before the tick) in %v", before, c.lease, at, g)
				}
				if credit < 0 || credit > testInterval {
					t.Fatalf("credit %v", credit)
				}
				if credited += credit; credited > c.maxCreditLimit()+time.Duration(c.lease)/2 {
					t.Fatalf("%v were given back while L went to %v", credited, c.lease)
				}
			},
		})
	})
}
