package dataserver

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"rollcall/pipeline/nsqpubsub"
)

// ErrRan is returned by a second call of Run.
var ErrRan = errors.New("dataserver: run called twice")

// Agent publishes the heartbeats of one server. Its methods are safe for concurrent use.
type Agent struct {
	cfg       Config // never changes; its Description is the description at the start
	publisher Publisher
	close     func() error // closes publisher if the agent created it
	metrics   *metrics
	ran       atomic.Bool
	changed   chan struct{} // capacity 1: holds a value while the field description is newer than the last heartbeat

	mu          sync.Mutex
	description Description // replaced as a whole, never modified

	incarnation atomic.Int64 // Unix milliseconds; 0 until Run starts

	// Only Run uses the fields below.
	seq     uint64 // sequence number of the last message
	failing bool   // whether the last heartbeat could not be published
}

// NewAgent returns an Agent and starts nothing. It fails if cfg is invalid or the metrics cannot be registered.
func NewAgent(cfg Config) (*Agent, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg.setDefaults()
	m, err := newMetrics(cfg.Metrics)
	if err != nil {
		return nil, fmt.Errorf("dataserver: register metrics: %w", err)
	}
	a := &Agent{
		cfg:         cfg,
		publisher:   cfg.Publisher,
		close:       func() error { return nil },
		metrics:     m,
		changed:     make(chan struct{}, 1),
		description: cfg.Description.clone(),
	}
	if a.publisher != nil {
		return a, nil
	}
	p, err := nsqpubsub.NewProducer(nsqpubsub.ProducerConfig{Cluster: cfg.NSQ, PublishTimeout: cfg.publishTimeout()})
	if err != nil {
		return nil, fmt.Errorf("dataserver: %w", err)
	}
	a.publisher, a.close = p, p.Close
	return a, nil
}

// publishTimeout bounds one attempt to publish. Two attempts at nsqd that hang and a third attempt fit into the time until
// the next heartbeat of the burst is due.
func (c *Config) publishTimeout() time.Duration { return min(burst, c.Interval) * 2 / 5 }

// ID returns the server's id.
func (a *Agent) ID() string { return a.cfg.ID }

// Addr returns the server's address as the heartbeats carry it.
func (a *Agent) Addr() string { return a.cfg.Addr }

// Run publishes heartbeats until ctx ends, then publishes the leave and returns. It goes on while no nsqd can be reached. It
// returns an error if no nsqd accepted the leave: API servers then expire the server after its TTL. After the end of ctx, Run
// takes at most LeaveTimeout plus two seconds. All its goroutines have ended by then. A second call returns ErrRan.
func (a *Agent) Run(ctx context.Context) error {
	if a.ran.Swap(true) {
		return ErrRan
	}
	a.incarnation.Store(time.Now().UnixMilli())
	a.publishHeartbeats(ctx)
	return errors.Join(a.leave(ctx), a.close())
}

// Update changes the server's description. It calls change with a copy, which change may modify; change must not call
// Update. The agent publishes a heartbeat with the new description at once, but at the earliest 100 ms after the previous
// heartbeat. Update does not wait for the heartbeat. If the new description is invalid, Update returns an error that names
// the invalid fields, and keeps the old description.
func (a *Agent) Update(change func(*Description)) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	d := a.description.clone()
	change(&d)
	d.setDefaults()
	cfg := a.cfg
	cfg.Description = d.clone()
	if err := cfg.Validate(); err != nil {
		return err
	}
	a.description = cfg.Description
	select {
	case a.changed <- struct{}{}:
	default: // a heartbeat with an earlier change is due already; it will carry this change too
	}
	return nil
}

// currentDescription returns the description for the heartbeat to publish now. It also empties the channel a.changed,
// because that heartbeat carries all changes so far.
func (a *Agent) currentDescription() Description {
	a.mu.Lock()
	defer a.mu.Unlock()
	select {
	case <-a.changed:
	default:
	}
	return a.description
}
