package canary

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"rollcall/events"
)

// target is one nsqd, with the goroutine that publishes canaries to it.
type target struct {
	addr string
	end  context.CancelFunc
	done chan struct{} // closed when the goroutine has ended

	acceptedAt   atomic.Pointer[time.Time] // when the nsqd last accepted a canary; nil before the first canary
	sent, failed prometheus.Counter

	trips trips
	lost  prometheus.Counter

	// Only Run uses the fields lossy and rebuilt.
	lossy   bool      // whether the last log line about the loss said that the nsqd loses messages
	rebuilt time.Time // when Run last rebuilt the consumer's connection to the nsqd
}

// start adds a target for the nsqd at addr, and then starts its goroutine. The first canary can return at once, and Returned must
// then find the target.
func (s *Sender) start(ctx context.Context, addr string) {
	n := &target{
		addr:   addr,
		done:   make(chan struct{}),
		sent:   s.metrics.canaries.WithLabelValues(addr, "sent"),
		failed: s.metrics.canaries.WithLabelValues(addr, "failed"),
		lost:   s.metrics.canaries.WithLabelValues(addr, "lost"),
	}
	s.metrics.reconnects.WithLabelValues(addr) // creates the series at 0, so that an alert sees the first increase
	ctx, n.end = context.WithCancel(ctx)
	s.mu.Lock()
	s.targets[addr] = n
	s.mu.Unlock()
	go func() {
		defer close(n.done)
		defer n.end()
		s.publish(ctx, n)
	}()
}

// publish sends a canary every interval. If a canary hangs, publish abandons it when the next canary is due.
func (s *Sender) publish(ctx context.Context, n *target) {
	ticks := time.NewTicker(s.cfg.Interval)
	defer ticks.Stop()
	for {
		sent := time.Now()
		n.trips.begin(sent)
		err := s.send(ctx, n.addr, sent)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			n.failed.Inc()
		default:
			now := time.Now()
			n.acceptedAt.Store(&now)
			n.sent.Inc()
			n.trips.mark(sent, func(c *trip) { c.accepted = true })
		}
		select {
		case <-ticks.C:
		case <-ctx.Done():
			return
		}
	}
}

func (s *Sender) send(ctx context.Context, addr string, sent time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Interval)
	defer cancel()
	body, err := events.EncodeCanary(s.cfg.ID, s.cfg.Started, sent)
	if err != nil {
		return err
	}
	return s.cfg.Publisher.PublishTo(ctx, addr, s.cfg.Topic, body)
}

// acceptedWithin reports whether the nsqd accepted a canary at most d before now.
func (n *target) acceptedWithin(d time.Duration, now time.Time) bool {
	at := n.acceptedAt.Load()
	return at != nil && now.Sub(*at) <= d
}
