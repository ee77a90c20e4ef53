package canary

import (
	"context"
	"sync"
	"time"

	"go.uber.org/zap"

	"rollcall/pipeline/nsqpubsub"
)

// Sender publishes canaries to every nsqd. It rebuilds a connection of the consumer if the nsqd accepts canaries and delivers no
// message.
type Sender struct {
	cfg     Config
	metrics *metrics

	mu      sync.Mutex
	targets map[string]*target // targets by address of the nsqd; only Run changes the map
}

// New returns a Sender that does not run yet. New fails if cfg is invalid or a metric cannot be registered.
func New(cfg Config) (*Sender, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg.setDefaults()
	m, err := newMetrics(cfg.Metrics)
	if err != nil {
		return nil, err
	}
	return &Sender{cfg: cfg, metrics: m, targets: make(map[string]*target)}, nil
}

// Run publishes until ctx ends. It returns nil when all its goroutines have ended. Call Run once.
func (s *Sender) Run(ctx context.Context) error {
	ticks := time.NewTicker(s.cfg.Interval / 4) // shorter than the interval, so that a new nsqd gets its first canary soon
	defer ticks.Stop()
	defer s.follow(ctx, nil)
	for ctx.Err() == nil {
		nodes := s.nodes()
		s.follow(ctx, nodes)
		s.repair(nodes, time.Now())
		s.watchLoss(time.Now())
		select {
		case <-ticks.C:
		case <-ctx.Done():
		}
	}
	return nil
}

// nodes returns the state of the consumer's connections, by address of the nsqd. It omits an nsqd that the consumer never reached,
// because no canary can return through this nsqd.
func (s *Sender) nodes() map[string]nsqpubsub.ConsumerNode {
	nodes := make(map[string]nsqpubsub.ConsumerNode)
	for _, n := range s.cfg.Nodes() {
		if n.Topic == s.cfg.Topic && (n.Connected || n.Reached) {
			nodes[n.Address] = n
		}
	}
	return nodes
}

// follow starts a target, which publishes canaries, for each new nsqd in the map nodes. It removes the targets of all nsqd that
// are not in the map, and waits until the goroutines of these targets have ended.
func (s *Sender) follow(ctx context.Context, nodes map[string]nsqpubsub.ConsumerNode) {
	var removed []*target
	for addr, n := range s.targets {
		if _, ok := nodes[addr]; !ok {
			n.end()
			removed = append(removed, n)
		}
	}
	for _, n := range removed {
		<-n.done
		s.mu.Lock()
		delete(s.targets, n.addr)
		s.mu.Unlock()
		s.metrics.forget(n.addr)
	}
	for addr := range nodes {
		if s.targets[addr] == nil {
			s.start(ctx, addr)
		}
	}
}

// repair rebuilds the consumer's connection to each nsqd that accepts canaries and delivers no message. Requests for the path
// /ping of an nsqd could not replace the canaries: the HTTP address of a static nsqd is not known, and nsqd answers /ping even if
// it delivers nothing from the topic.
func (s *Sender) repair(nodes map[string]nsqpubsub.ConsumerNode, now time.Time) {
	for addr, node := range nodes {
		n := s.targets[addr]
		silent := now.Sub(lastActive(node))
		if !node.Connected || silent < s.cfg.Silence || now.Sub(n.rebuilt) < s.cfg.Silence || !n.acceptedWithin(s.cfg.acceptedFor(), now) {
			continue
		}
		n.rebuilt = now
		s.metrics.reconnects.WithLabelValues(addr).Inc()
		s.cfg.Log.Warn("nsqd accepts messages and delivers none: rebuilding the connection", zap.String("nsqd", addr), zap.Duration("silent", silent))
		s.cfg.Reconnect(addr)
	}
}

// lastActive returns the time when a connection delivered its last message or the time when it was made, whichever is later.
func lastActive(n nsqpubsub.ConsumerNode) time.Time {
	if n.LastMessage.After(n.ConnectedAt) {
		return n.LastMessage
	}
	return n.ConnectedAt
}
