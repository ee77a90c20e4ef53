package canary

import (
	"context"
	"sync"
	"time"

	"go.uber.org/zap"

	"rollcall/pipeline/nsqpubsub"
)

// Sender publishes canaries, and has connections rebuilt through which none comes back.
type Sender struct {
	cfg     Config
	metrics *metrics
	nsqd    map[string]*nsqd // Run's own

	mu    sync.Mutex
	trips map[string]*trips // by nsqd
}

// New starts nothing. The error is that of cfg.Validate or of the registration of metrics.
func New(cfg Config) (*Sender, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg.setDefaults()
	m, err := newMetrics(cfg.Metrics)
	if err != nil {
		return nil, err
	}
	return &Sender{cfg: cfg, metrics: m, nsqd: make(map[string]*nsqd), trips: make(map[string]*trips)}, nil
}

// Run publishes until ctx ends. It returns nil when its goroutines have ended. It is called once.
func (s *Sender) Run(ctx context.Context) error {
	ticks := time.NewTicker(s.cfg.Interval / 4) // one that joins has its first canary soon
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

// nodes are the nsqd by address, without those that the consumer never reached: nothing would come back from them.
func (s *Sender) nodes() map[string]nsqpubsub.ConsumerNode {
	nodes := make(map[string]nsqpubsub.ConsumerNode)
	for _, n := range s.cfg.Nodes() {
		if n.Topic == s.cfg.Topic && (n.Connected || n.Reached) {
			nodes[n.Address] = n
		}
	}
	return nodes
}

// follow has one goroutine publish to each nsqd that there is, and waits for the end of those to others.
func (s *Sender) follow(ctx context.Context, nodes map[string]nsqpubsub.ConsumerNode) {
	for addr, n := range s.nsqd {
		if _, ok := nodes[addr]; !ok {
			n.end()
		}
	}
	for addr, n := range s.nsqd {
		if _, ok := nodes[addr]; !ok {
			<-n.done
			delete(s.nsqd, addr)
			s.mu.Lock()
			delete(s.trips, addr)
			s.mu.Unlock()
			s.metrics.forget(addr)
		}
	}
	for addr := range nodes {
		if s.nsqd[addr] == nil {
			s.nsqd[addr] = s.start(ctx, addr)
		}
	}
}

// repair has the connection rebuilt to each nsqd that is silent though it answers. That it answers is seen from the
// canary that it took, and not from its /ping: that is at its HTTP address, which nobody knows of a static nsqd, and says
// nothing of the topic.
func (s *Sender) repair(nodes map[string]nsqpubsub.ConsumerNode, now time.Time) {
	for addr, node := range nodes {
		n := s.nsqd[addr]
		silent := now.Sub(since(node))
		if !node.Connected || silent < s.cfg.Silence || now.Sub(n.rebuilt) < s.cfg.Silence || !n.answered(now, s.cfg.answersFor()) {
			continue
		}
		n.rebuilt = now
		s.metrics.reconnects.WithLabelValues(addr).Inc()
		s.cfg.Log.Warn("nsqd takes messages and delivers none; its connection is rebuilt", zap.String("nsqd", addr), zap.Duration("silent", silent))
		s.cfg.Reconnect(addr)
	}
}

// since is when a connection last showed that it lives.
func since(n nsqpubsub.ConsumerNode) time.Time {
	if n.LastMessage.After(n.ConnectedAt) {
		return n.LastMessage
	}
	return n.ConnectedAt
}
