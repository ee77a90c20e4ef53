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

// ErrRan says that Run was called before.
var ErrRan = errors.New("dataserver: run was called before")

// Agent publishes the heartbeats of one server. Its methods are safe for concurrent use.
type Agent struct {
	cfg       Config // does not change; its Description is how the agent began
	publisher Publisher
	close     func() error // of a publisher that is the agent's own
	metrics   *metrics
	ran       atomic.Bool
	changed   chan struct{} // capacity 1: a description is waiting to be told

	mu          sync.Mutex
	description Description // replaced, never changed

	incarnation atomic.Int64 // 0 until Run begins

	// Owned by Run.
	seq     uint64 // of the last message
	failing bool   // the last heartbeat was not published
}

// NewAgent starts nothing. The error is that of cfg.Validate or of the registration of metrics.
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
	p, err := nsqpubsub.NewProducer(nsqpubsub.ProducerConfig{Cluster: cfg.NSQ, PublishTimeout: cfg.patience()})
	if err != nil {
		return nil, fmt.Errorf("dataserver: %w", err)
	}
	a.publisher, a.close = p, p.Close
	return a, nil
}

// patience with one nsqd: two that hang are found out, and a third still has the message, before the next
// of the first beats is due.
func (c *Config) patience() time.Duration { return min(burst, c.Interval) * 2 / 5 }

// ID is the server's id.
func (a *Agent) ID() string { return a.cfg.ID }

// Addr is the server's address as it is published.
func (a *Agent) Addr() string { return a.cfg.Addr }

// Run publishes heartbeats until ctx ends, whatever becomes of the brokers, then the leave, and returns.
// The error says that nobody took the leave: API servers will then wait for the TTL. After ctx has ended
// Run takes at most LeaveTimeout and two seconds, and then what it started has ended, except that go-nsq
// may take four seconds more to give up a hung nsqd. Run can be called once.
func (a *Agent) Run(ctx context.Context) error {
	if a.ran.Swap(true) {
		return ErrRan
	}
	a.incarnation.Store(time.Now().UnixMilli())
	a.beat(ctx)
	return errors.Join(a.leave(ctx), a.close())
}

// Update changes what the server says of itself. Change gets a copy that it may alter as it likes, but
// must not call Update. The next heartbeat, which tells it, follows at once, or 100 ms after the last one;
// Update does not wait for it. An error names the fields that are wrong, and then nothing has changed.
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
	default: // the beat that is due will tell this change too
	}
	return nil
}

// currentDescription is told by the beat that asks for it, so no other is due for the changes until now.
func (a *Agent) currentDescription() Description {
	a.mu.Lock()
	defer a.mu.Unlock()
	select {
	case <-a.changed:
	default:
	}
	return a.description
}
