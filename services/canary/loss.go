package canary

import (
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"
)

// A canary is lost if an nsqd accepted it and it does not return within lossAfter. An nsqd that loses canaries also loses
// heartbeats: for a channel without disk, nsqd keeps at most --mem-queue-size messages and drops the others. A canary that
// another canary overtakes is not lost.
const (
	lossAfter  = 10 * time.Second
	lossWindow = 300  // number of canaries over which the loss is computed; they take 5 min at DefaultInterval
	lossLeast  = 3    // number of lost canaries below which the loss is 0
	lossLimit  = 0.01 // loss above which a warning is logged
)

// trips holds the latest canaries that were sent through one nsqd.
type trips struct {
	mu   sync.Mutex
	last []trip // canaries, oldest first
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

// mark finds the canary that was sent at the given time, and calls the function change for it. A canary that returns states this
// time, rounded down to a microsecond, so mark accepts a difference below a microsecond.
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

// judge keeps the latest lossWindow canaries, and removes canaries that the nsqd did not accept within lossAfter. It returns how
// many canaries became lost since the previous call, and the loss that Loss returns.
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
	if missing < lossLeast || missing == judged { // an nsqd that delivers no canary is silent, and the registry reports silent nsqd
		return lost, 0
	}
	return lost, float64(missing) / float64(judged)
}

// Returned records that a canary of this process has returned through nsqd. The parameter sent is the time when this process sent
// the canary. Returned does not block.
func (s *Sender) Returned(nsqd string, sent time.Time) {
	if n := s.target(nsqd); n != nil {
		n.trips.mark(sent, func(c *trip) { c.returned = true })
	}
}

// Loss returns, for the canaries that an nsqd accepted in the last 5 minutes, the share that it did not deliver. Loss returns 0
// if fewer than three canaries are lost. It also returns 0 if all canaries are lost, because such an nsqd is silent.
func (s *Sender) Loss(nsqd string) float64 {
	n := s.target(nsqd)
	if n == nil {
		return 0
	}
	return n.judgeLoss(time.Now())
}

// judgeLoss adds the canaries that became lost to the metric of lost canaries, and returns the loss that Loss returns.
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

// watchLoss updates the metric of the loss of each nsqd, and logs when a loss rises above lossLimit and when it falls back.
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
