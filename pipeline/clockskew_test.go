package pipeline_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"rollcall/events"
	"rollcall/pipeline"
)

// broker is an nsqd whose clock is ahead of the clock of this process.
type broker struct {
	addr  string
	ahead time.Duration
	skew  *pipeline.ClockSkew
}

// receipt returns the receipt of a message that arrives now and that nsqd has kept for the duration kept.
func (b *broker) receipt(kept time.Duration) events.Receipt {
	now := time.Now()
	return events.Receipt{Via: b.addr, PublishedAt: now.Add(b.ahead - kept).Round(0), ReceivedAt: now}
}

// delay returns the delay that ClockSkew computes for a message that arrives now and that nsqd has kept for the duration kept.
func (b *broker) delay(kept time.Duration) time.Duration { return b.skew.Delay(b.receipt(kept)) }

// canary makes ClockSkew learn from a canary that took the duration there to reach nsqd, and the duration back to return.
func (b *broker) canary(there, back time.Duration) {
	r := b.receipt(back)
	b.skew.Learn(r, r.ReceivedAt.Add(-there-back))
}

func checkDelay(t *testing.T, what string, got, want, tolerance time.Duration) {
	t.Helper()
	if got < want-tolerance || got > want+tolerance {
		t.Errorf("%s: delay %v, want %v plus or minus %v", what, got, want, tolerance)
	}
}

// inBubble runs f in virtual time, an hour after the start of the process. The clock of the nsqd b is ahead by the duration ahead.
func inBubble(t *testing.T, ahead time.Duration, f func(t *testing.T, b *broker)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := &broker{"127.0.0.1:4150", ahead, pipeline.NewClockSkew(time.Now())}
		time.Sleep(time.Hour)
		f(t, b)
	})
}

const ms = time.Millisecond

func TestDelayWithUnsynchronizedClocks(t *testing.T) {
	for _, ahead := range []time.Duration{0, time.Hour, -time.Hour, 3 * time.Second, -3 * time.Second, 50 * 365 * 24 * time.Hour, -50 * 365 * 24 * time.Hour} {
		t.Run(fmt.Sprintf("nsqd is ahead by %v", ahead), func(t *testing.T) {
			inBubble(t, ahead, func(t *testing.T, b *broker) {
				b.canary(2*ms, ms)
				for _, kept := range []time.Duration{0, ms, 10 * time.Second, time.Hour} {
					checkDelay(t, "a message", b.delay(kept), kept, 3*ms)
				}
			})
		})
	}
}

func TestDelayIsNeverNegative(t *testing.T) {
	inBubble(t, time.Hour, func(t *testing.T, b *broker) {
		checkDelay(t, "before any canary", b.delay(time.Second), 0, 0)
		b.canary(0, 500*ms)
		checkDelay(t, "faster than the canary", b.delay(0), 0, 0)
	})
}

func TestDelayBeforeFirstCanary(t *testing.T) {
	inBubble(t, -2*time.Second, func(t *testing.T, b *broker) {
		checkDelay(t, "a backlog", b.delay(time.Minute), time.Minute+2*time.Second, 0)
		b.canary(0, ms)
		checkDelay(t, "a backlog after the canary", b.delay(time.Minute), time.Minute, ms)
		other := &broker{"127.0.0.1:4250", -2 * time.Second, b.skew}
		checkDelay(t, "through another nsqd", other.delay(time.Minute), time.Minute+2*time.Second, 0)
	})
}

func TestRoundTripOfFirstCanary(t *testing.T) {
	for _, tt := range []struct {
		name        string
		there, back time.Duration
		want        time.Duration // computed delay of a message that waited 10 s in an nsqd whose clock is an hour behind
	}{
		{"a second: used", 0, time.Second, 9 * time.Second},
		{"a second before the timestamp: used", time.Second, 0, 10 * time.Second},
		{"more than a second: ignored", 0, time.Second + 1, time.Hour + 10*time.Second},
		{"more than a second, mostly before the timestamp: ignored", time.Second, 1, time.Hour + 10*time.Second},
		{"a minute: ignored", 0, time.Minute, time.Hour + 10*time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, -time.Hour, func(t *testing.T, b *broker) {
				b.canary(tt.there, tt.back)
				checkDelay(t, "a message", b.delay(10*time.Second), tt.want, 0)
				time.Sleep(time.Second)
				b.canary(0, ms)
				checkDelay(t, "after a fast one", b.delay(10*time.Second), 10*time.Second, ms)
			})
		})
	}
}

func TestDelayedCanaryChangesNothing(t *testing.T) {
	for name, held := range map[string][2]time.Duration{
		"before nsqd": {20 * time.Second, 0}, "in nsqd": {0, 20 * time.Second}, "before and in nsqd": {9 * time.Second, 11 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, time.Hour, func(t *testing.T, b *broker) {
				b.canary(0, 0)
				time.Sleep(time.Minute)
				b.canary(held[0], held[1])
				checkDelay(t, "a message", b.delay(5*time.Second), 5*time.Second, 0)
			})
		})
	}
}

func TestClockOfNSQDIsSet(t *testing.T) {
	for _, by := range []time.Duration{time.Hour, -time.Hour, time.Second, -time.Second} {
		t.Run(fmt.Sprint(by), func(t *testing.T) {
			inBubble(t, time.Minute, func(t *testing.T, b *broker) {
				b.canary(ms, ms)
				time.Sleep(time.Second)
				b.ahead += by
				b.canary(ms, ms)
				for _, kept := range []time.Duration{0, 10 * time.Second} {
					checkDelay(t, "a message", b.delay(kept), kept, 2*ms)
				}
			})
		})
	}
}

// Only messages with a timestamp from before the clock was set may get a wrong delay.
func TestTimestampsFromBeforeTheClockWasSet(t *testing.T) {
	inBubble(t, time.Hour, func(t *testing.T, b *broker) {
		b.canary(0, 0)
		time.Sleep(time.Second)
		before := *b
		b.ahead = 0
		b.canary(0, 0)
		for range 3 {
			checkDelay(t, "timestamp from before", before.delay(time.Minute), 0, 0)
			checkDelay(t, "timestamp from after", b.delay(ms), ms, 0)
		}
		before.canary(0, 2*time.Second)
		checkDelay(t, "after a canary that was sent before the last one", b.delay(ms), ms, 0)
	})
}

func TestWallClockJumpChangesNothing(t *testing.T) {
	start := time.Now()
	skew := pipeline.NewClockSkew(start)
	stamp := start.Round(0)
	at := start.Add(time.Minute) // with consistent wall and monotonic readings
	r := events.Receipt{Via: "a", PublishedAt: stamp.Add(time.Minute), ReceivedAt: at}
	skew.Learn(r, at)
	for _, jump := range []time.Duration{time.Hour, -time.Hour} {
		jumped := mustJump(t, at.Add(10*time.Second), jump)
		r := events.Receipt{Via: "a", PublishedAt: stamp.Add(time.Minute + 7*time.Second), ReceivedAt: jumped}
		checkDelay(t, fmt.Sprintf("our clock set by %v", jump), skew.Delay(r), 3*time.Second, 0)
		r.Via = "b"
		checkDelay(t, fmt.Sprintf("our clock set by %v, before any canary", jump), skew.Delay(r), 3*time.Second, 0)
	}
}

// mustJump returns the time at as time.Now would return it if somebody had set the wall clock forward: the wall clock reading is later by
// the duration by, and the monotonic reading is the same. Package time has no function for that, so mustJump changes the seconds in the
// field wall of time.Time, which begin at bit 30.
func mustJump(t *testing.T, at time.Time, by time.Duration) time.Time {
	t.Helper()
	jumped := at
	*(*uint64)(unsafe.Pointer(&jumped)) += uint64(by/time.Second) << 30
	if jumped.Sub(at) != 0 || jumped.Round(0).Sub(at.Round(0)) != by {
		t.Fatalf("the wall reading jumped by %v and the monotonic one by %v, want %v and 0", jumped.Round(0).Sub(at.Round(0)), jumped.Sub(at), by)
	}
	return jumped
}

func TestDriftIsFollowed(t *testing.T) {
	inBubble(t, 0, func(t *testing.T, b *broker) {
		for _, perSecond := range []time.Duration{500 * time.Microsecond, -500 * time.Microsecond} { // 500 ppm, the usual maximum of clock slewing
			for range 2 * 60 * 60 {
				b.canary(ms, ms)
				time.Sleep(time.Second)
				b.ahead += perSecond
			}
			checkDelay(t, fmt.Sprintf("after two hours of %v a second", perSecond), b.delay(5*time.Second), 5*time.Second, 3*ms)
		}
	})
}

func TestErrorIsAtMostARoundTrip(t *testing.T) {
	inBubble(t, 17*time.Minute, func(t *testing.T, b *broker) {
		random := rand.New(rand.NewPCG(1, 2))
		fastest := time.Second
		for range 1000 {
			there, back := time.Duration(random.Int64N(int64(400*ms))), time.Duration(random.Int64N(int64(400*ms)))
			b.canary(there, back)
			fastest = min(fastest, there+back)
			checkDelay(t, "a message", b.delay(5*time.Second), 5*time.Second, fastest)
			time.Sleep(time.Second)
		}
	})
}

func TestCanaryFromTheFutureIsIgnored(t *testing.T) {
	inBubble(t, 0, func(t *testing.T, b *broker) {
		b.skew.Learn(b.receipt(0), time.Now().Add(time.Hour))
		b.canary(0, 0)
		b.ahead = time.Hour
		time.Sleep(time.Second)
		b.canary(0, 0) // ClockSkew would ignore this canary if it had used the canary from the future
		checkDelay(t, "a message", b.delay(time.Second), time.Second, 0)
	})
}

func TestClockSkewConcurrently(t *testing.T) {
	skew := pipeline.NewClockSkew(time.Now())
	var brokers []*broker
	for i := range 5 {
		brokers = append(brokers, &broker{fmt.Sprint(i), time.Duration(i-2) * time.Hour, skew})
		brokers[i].canary(0, 0)
	}
	var wg sync.WaitGroup
	for worker := range 8 {
		wg.Go(func() {
			for n := range 2000 {
				switch b := brokers[n%len(brokers)]; {
				case worker == 0:
					b.canary(0, 0)
				case worker == 1:
					(&broker{fmt.Sprint("new", n), time.Hour, skew}).canary(0, 0)
				default:
					checkDelay(t, b.addr, b.delay(time.Second), time.Second, time.Second/2) // the wall clock may be slewed during the test
				}
			}
		})
	}
	wg.Wait()
}

// Delay must be fast, because it is called for each message.
func BenchmarkClockSkewDelay(b *testing.B) {
	skew := pipeline.NewClockSkew(time.Now())
	var receipts []events.Receipt
	for i := range 5 {
		n := &broker{fmt.Sprintf("10.0.0.%d:4150", i), time.Hour, skew}
		n.canary(0, 0)
		receipts = append(receipts, n.receipt(time.Second))
	}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for n := 0; pb.Next(); n++ {
			if skew.Delay(receipts[n%len(receipts)]) > time.Minute {
				b.Error("wrong delay")
			}
		}
	})
}
