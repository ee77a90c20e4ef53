package canary

import (
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"
)

// A canary that an nsqd took and that does not come back within lossAfter is lost, and heartbeats are lost there in the same
// way: nsqd keeps no more than --mem-queue-size messages of a channel that has no disk. One that comes later than others is
// not lost.
const (
	lossAfter  = 10 * time.Second
	lossWindow = 300  // canaries, 5 min
	lossLeast  = 3    // fewer lost are no rate
	lossLimit  = 0.01 // the loss that is told of
)

// trips are the last canaries through one nsqd.
type trips struct {
	mu   sync.Mutex
	last []trip // oldest first, at most lossWindow that are judged
}

type trip struct {
	sent              time.Time
	taken, back, lost bool
}

func (t *trips) begin(sent time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.last = append(t.last, trip{sent: sent})
}

// mark changes the canary that was sent then. A canary states it to the microsecond.
func (t *trips) mark(sent time.Time, change func(*trip)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := len(t.last) - 1; i >= 0; i-- {
		if d := t.last[i].sent.Sub(sent); d >= 0 && d < time.Microsecond {
			change(&t.last[i])
			return
		}
	}
}

// judge forgets what is out of the window or was not taken, and returns how many are newly lost, and the loss.
func (t *trips) judge(now time.Time) (lost int, loss float64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.last = slices.DeleteFunc(t.last, func(c trip) bool { return !c.taken && now.Sub(c.sent) >= lossAfter })
	t.last = slices.Delete(t.last, 0, max(0, len(t.last)-lossWindow))
	judged, missing := 0, 0
	for i := range t.last {
		c := &t.last[i]
		if now.Sub(c.sent) < lossAfter {
			break
		}
		judged++
		if c.back {
			continue
		}
		missing++
		if !c.lost {
			c.lost = true
			lost++
		}
	}
	if missing < lossLeast || missing == judged { // one that delivers nothing is blind, and that is told elsewhere
		return lost, 0
	}
	return lost, float64(missing) / float64(judged)
}

// Returned notes that a canary of this process, sent then, came back through an nsqd. It does not block.
func (s *Sender) Returned(nsqd string, sent time.Time) {
	if t := s.tripsOf(nsqd); t != nil {
		t.mark(sent, func(c *trip) { c.back = true })
	}
}

// Loss is the part of the canaries of the last minutes that an nsqd took and did not deliver: 0 if those are fewer than three,
// or all, because an nsqd that delivers nothing is blind.
func (s *Sender) Loss(nsqd string) float64 {
	t := s.tripsOf(nsqd)
	if t == nil {
		return 0
	}
	_, loss := t.judge(time.Now())
	return loss
}

func (s *Sender) tripsOf(nsqd string) *trips {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.trips[nsqd]
}

// watchLoss counts what is lost, and logs when a loss begins and ends.
func (s *Sender) watchLoss(now time.Time) {
	for addr, n := range s.nsqd {
		lost, loss := n.trips.judge(now)
		n.lost.Add(float64(lost))
		s.metrics.loss.WithLabelValues(addr).Set(loss)
		if lossy := loss > lossLimit; lossy != n.lossy {
			n.lossy = lossy
			s.logLoss(addr, loss)
		}
	}
}

func (s *Sender) logLoss(addr string, loss float64) {
	fields := []zap.Field{zap.String("nsqd", addr), zap.Float64("loss", loss)}
	if loss <= lossLimit {
		s.cfg.Log.Info("nsqd delivers what it takes again", fields...)
		return
	}
	s.cfg.Log.Warn("nsqd takes messages and loses some; is its --mem-queue-size too small?", fields...)
}
