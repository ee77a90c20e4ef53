package canary

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"rollcall/events"
)

// nsqd is one that there is, with the goroutine that publishes to it.
type nsqd struct {
	addr string
	end  context.CancelFunc
	done chan struct{} // closed when the goroutine has ended

	took         atomic.Pointer[time.Time] // when it took the last canary; nil before
	sent, failed prometheus.Counter

	trips *trips
	lost  prometheus.Counter
	lossy bool // as it was logged; Run's own

	rebuilt time.Time // when its connection last was; Run's own
}

func (s *Sender) start(ctx context.Context, addr string) *nsqd {
	n := &nsqd{
		addr:   addr,
		done:   make(chan struct{}),
		sent:   s.metrics.canaries.WithLabelValues(addr, "sent"),
		failed: s.metrics.canaries.WithLabelValues(addr, "failed"),
		lost:   s.metrics.canaries.WithLabelValues(addr, "lost"),
		trips:  new(trips),
	}
	s.mu.Lock()
	s.trips[addr] = n.trips
	s.mu.Unlock()
	s.metrics.reconnects.WithLabelValues(addr) // a series that exists at zero can be alerted on
	ctx, n.end = context.WithCancel(ctx)
	go func() {
		defer close(n.done)
		defer n.end()
		s.publish(ctx, n)
	}()
	return n
}

// publish sends a canary each interval. One that hangs is given up when the next is due, and holds up no other nsqd.
func (s *Sender) publish(ctx context.Context, n *nsqd) {
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
			n.took.Store(&now)
			n.sent.Inc()
			n.trips.mark(sent, func(c *trip) { c.taken = true })
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

// answered reports whether it took a canary within that time.
func (n *nsqd) answered(now time.Time, within time.Duration) bool {
	took := n.took.Load()
	return took != nil && now.Sub(*took) <= within
}
