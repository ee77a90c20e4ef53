package registry

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"
)

// flow runs the lease clock c for the duration d. At each tick, one message arrives through each nsqd in the map lag. The value
// of the nsqd in the map is how late the message is.
func flow(c *leaseClock, d time.Duration, lag map[string]time.Duration) {
	var known []string
	for addr := range lag {
		known = append(known, addr)
	}
	for end := c.last + d; c.last < end; {
		now := c.last + testTick
		for addr, l := range lag {
			c.received(addr, now, l)
		}
		c.advance(now, known)
	}
}

func TestLagExtendsLeases(t *testing.T) {
	for _, tt := range []struct {
		name  string
		lag   map[string]time.Duration
		grace time.Duration
		speed float64 // speed of the lease time (L), relative to real time
	}{
		{"no lag", map[string]time.Duration{"a": 0, "b": 0}, 0, 1},
		{"1 s", map[string]time.Duration{"a": time.Second, "b": time.Second}, 0, 1},
		{"2 s in both", map[string]time.Duration{"a": 2*time.Second + testTick, "b": 2*time.Second + testTick}, time.Second, 1},
		{"4 s in one of two", map[string]time.Duration{"a": 4*time.Second + testTick, "b": 0}, 3 * time.Second, 1},
		{"the longest lag counts", map[string]time.Duration{"a": 4*time.Second + testTick, "b": 2 * time.Second}, 3 * time.Second, 1},
		{"16 s in one of two, which counts as silent", map[string]time.Duration{"a": 16 * time.Second, "b": 0}, testInterval, 0.5},
		{"16 s in both", map[string]time.Duration{"a": 16 * time.Second, "b": 16 * time.Second}, testInterval, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := newLeaseClock(testInterval, testTick, time.Second)
			flow(&c, 20*time.Second, tt.lag)
			before := c.lease
			flow(&c, 10*time.Second, tt.lag)
			if c.grace != tt.grace {
				t.Errorf("grace %v, want %v", c.grace, tt.grace)
			}
			if speed := c.lease.sub(before).Seconds() / 10; math.Abs(speed-tt.speed) > 0.01 {
				t.Errorf("L runs at %v, want %v", speed, tt.speed)
			}
			flow(&c, 2*testTick, map[string]time.Duration{"a": 0, "b": 0})
			if c.grace != 0 {
				t.Errorf("grace %v after the lag has ended", c.grace)
			}
		})
	}
}

func TestLagIncludesTheWaitInNSQAndMailbox(t *testing.T) {
	for _, tt := range []struct {
		name   string
		before time.Duration // time that a message waits between its receipt and its processing
		delay  time.Duration // time between the stamp of a message by nsqd and its receipt
		want   time.Duration
	}{
		{"in NSQ", 0, 3 * time.Second, 3 * time.Second},
		{"in the mailbox", 3 * time.Second, 0, 3 * time.Second},
		{"in both", 2 * time.Second, time.Second, 3 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, _ := receivingClock(t, "a")
			now := c.last + 10*time.Second
			for ; c.last < now; c.advance(c.last+testTick, []string{"a"}) {
				c.received("a", c.last+testTick-tt.before, tt.delay)
			}
			if got := c.nsqds["a"].lag; got < tt.want-testTick || got > tt.want {
				t.Errorf("lag %v, want %v less at most a tick", got, tt.want)
			}
		})
	}
}

// A late message does not count as lag if newer messages have overtaken it.
func TestDisorderIsNoLag(t *testing.T) {
	c, _ := receivingClock(t, "a")
	for range 100 {
		now := c.last + testTick
		c.received("a", now, 0)
		c.received("a", now, 3*time.Second)
		c.advance(now, []string{"a"})
		if c.grace != 0 {
			t.Fatalf("grace %v", c.grace)
		}
	}
}

func TestDetailDescribesTheNSQD(t *testing.T) {
	s := mustState(t, Config{})
	flow(&s.clock, 10*time.Second, map[string]time.Duration{"a": 0, "b": 4250 * time.Millisecond, "c": 0})
	known := []string{"a", "b", "c", "d", "e"}
	for range 12 { // the nsqd "c" becomes silent, because no message arrives through it
		now := s.clock.last + testTick
		s.clock.received("a", now, 0)
		s.clock.received("b", now, 4250*time.Millisecond)
		s.clock.advance(now, known)
	}
	detail := s.detail(ModeNormal)
	for _, want := range []string{"1 of 3 nsqd are silent", "4s late through 1 of 3 nsqd", "extended by 3s", "2 nsqd were never reached"} {
		if !strings.Contains(detail, want) {
			t.Errorf("detail %q does not contain %q", detail, want)
		}
	}
	if got := fmt.Sprint(s.clock.list()); got != "[{a receiving 0s} {b late 4.25s} {c silent 0s} {d unreached 0s} {e unreached 0s}]" {
		t.Errorf("nsqd %s", got)
	}
	if ratio := s.stats().SilentRatio; math.Abs(ratio-1.0/3) > 1e-9 {
		t.Errorf("silent ratio %v, want a third", ratio)
	}
}
