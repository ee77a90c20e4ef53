package canary

import (
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"
)

// A canary that an nsqd accepted and that does not return within lossAfter is lost. The nsqd then loses heartbeats in the
// same way: of a channel without disk it keeps at most --mem-queue-size messages. Canaries that overtake each other are
// not lost.
const (
	lossAfter  = 10 * time.Second
	lossWindow = 300  // canaries over which the loss is computed, 5 min
	lossLeast  = 3    // with fewer lost canaries the loss is 0
	lossLimit  = 0.01 // loss above which a warning is logged
)

// trips holds the last canaries through one nsqd.
type trips struct {
	mu   sync.Mutex
	last []trip // oldest first
}

type trip struct {
	sent                     time.Time
	accepted, returned, lost bool
}

func (t *trips) begin(sent time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.last = append(t.last, trip{sent: sent})
}

// mark changes the canary that was sent at a time. A canary states this time in microseconds.
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

// judge removes canaries that are out of the window or were not accepted. It returns the number of canaries that became lost
// since the last call, and the loss.
func (t *trips) judge(now time.Time) (lost int, loss float64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.last = slices.DeleteFunc(t.last, func(c trip) bool { return !c.accepted && now.Sub(c.sent) >= lossAfter })
	t.last = slices.Delete(t.last, 0, max(0, len(t.last)-lossWindow))
	judged, missing := 0, 0
	for i := range t.last {
		c := &t.last[i]
		if now.Sub(c.sent) < lossAfter {
			break
		}
		judged++
		if c.returned {
			continue
		}
		missing++
		if !c.lost {
			c.lost = true
			lost++
		}
	}
	if missing < lossLeast || missing == judged { // an nsqd that delivers nothing is silent, which the registry reports
		return lost, 0
	}
	return lost, float64(missing) / float64(judged)
}

// Returned notes that a canary of this process, sent at a time, returned through an nsqd. It does not block.
func (s *Sender) Returned(nsqd string, sent time.Time) {
	if n := s.target(nsqd); n != nil {
		n.trips.mark(sent, func(c *trip) { c.returned = true })
	}
}

// Loss returns the share of the canaries of the last 5 minutes that an nsqd accepted and did not deliver. It is 0 if fewer
// than three are lost, and if all are: an nsqd that delivers nothing is silent.
func (s *Sender) Loss(nsqd string) float64 {
	n := s.target(nsqd)
	if n == nil {
		return 0
	}
	return n.judgeLoss(time.Now())
}

// judgeLoss counts the canaries that became lost, and returns the loss.
func (n *target) judgeLoss(now time.Time) float64 {
	lost, loss := n.trips.judge(now)
	n.lost.Add(float64(lost))
	return loss
}

func (s *Sender) target(nsqd string) *target {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.targets[nsqd]
}

// watchLoss updates the loss of each nsqd, and logs when an nsqd begins and ceases to lose messages.
func (s *Sender) watchLoss(now time.Time) {
	for addr, n := range s.targets {
		loss := n.judgeLoss(now)
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
		s.cfg.Log.Info("nsqd delivers all messages again", fields...)
		return
	}
	s.cfg.Log.Warn("nsqd loses messages that it accepted; its --mem-queue-size may be too small", fields...)
}
