package canary

import (
	"context"
	"sync"
	"time"

	"go.uber.org/zap"

	"rollcall/pipeline/nsqpubsub"
)

// Sender publishes canaries to every nsqd, and rebuilds the consumer's connections through which none returns.
type Sender struct {
	cfg     Config
	metrics *metrics

	mu      sync.Mutex
	targets map[string]*target // by address; only Run changes it
}

// New starts nothing. It returns the error of cfg.Validate, or of the registration of metrics.
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

// Run publishes until ctx ends, and returns nil when all its goroutines have ended. Call it once.
func (s *Sender) Run(ctx context.Context) error {
	ticks := time.NewTicker(s.cfg.Interval / 4) // a new nsqd gets its first canary soon
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

// nodes returns the nsqd by address, without those that the consumer never reached: no canary would return from them.
func (s *Sender) nodes() map[string]nsqpubsub.ConsumerNode {
	nodes := make(map[string]nsqpubsub.ConsumerNode)
	for _, n := range s.cfg.Nodes() {
		if n.Topic == s.cfg.Topic && (n.Connected || n.Reached) {
			nodes[n.Address] = n
		}
	}
	return nodes
}

// follow makes the targets equal to nodes. It waits until the goroutines of removed targets have ended.
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

// repair rebuilds the connection to each nsqd that delivers nothing although it accepts canaries. Its /ping would not show
// that: the HTTP address of a static nsqd is not known, and /ping does not depend on the topic.
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

// lastActive returns when a connection delivered its last message, or was made if that is later.
func lastActive(n nsqpubsub.ConsumerNode) time.Time {
	if n.LastMessage.After(n.ConnectedAt) {
		return n.LastMessage
	}
	return n.ConnectedAt
}
