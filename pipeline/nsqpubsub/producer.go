package nsqpubsub

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"slices"
	"sync"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/nsqio/go-nsq"
)

const (
	// nsqd accepts no shorter heartbeats. Three missed ones end the connection to a hung nsqd.
	producerHeartbeat   = time.Second
	producerReadTimeout = 3 * time.Second
)

// ProducerConfig describes a Producer.
type ProducerConfig struct {
	Cluster
	PublishTimeout time.Duration // for one nsqd to answer, then the next is tried; default 1 s
	SetAside       time.Duration // how long an nsqd that failed is avoided, default 5 s
	MaxMessageSize int           // bytes, not above nsqd's --max-msg-size; default 1 MiB, as nsqd's

	// Ordered keeps to one nsqd, chosen at random for each Producer, and leaves it only while it fails: a
	// consumer of one message at a time then gets them in the order of Publish, but for those around a failure.
	Ordered bool

	Logger watermill.LoggerAdapter
}

func (c *ProducerConfig) setDefaults() {
	c.Cluster.setDefaults()
	c.PublishTimeout = cmp.Or(c.PublishTimeout, time.Second)
	c.SetAside = cmp.Or(c.SetAside, 5*time.Second)
	c.MaxMessageSize = cmp.Or(c.MaxMessageSize, 1<<20)
	if c.Logger == nil {
		c.Logger = watermill.NopLogger{}
	}
}

// Validate names the first field that cannot work.
func (c *ProducerConfig) Validate() error {
	if c.MaxMessageSize < 0 {
		return errors.New("nsqpubsub: MaxMessageSize: negative")
	}
	return errors.Join(
		c.Cluster.Validate(),
		notNegative("PublishTimeout", c.PublishTimeout),
		notNegative("SetAside", c.SetAside),
	)
}

// Producer publishes to the nsqd of a cluster, to a random one each time or in order through one, over one
// connection to each.
// It is safe for concurrent use.
type Producer struct {
	cfg  ProducerConfig
	conf *nsq.Config

	alive context.Context // ends with Close
	end   context.CancelFunc
	tasks sync.WaitGroup // discovery and a worker for each nsqd
	seed  maphash.Seed   // of the order for Ordered

	start   sync.Once
	usable  chan struct{} // closed when an nsqd is known, or is known not to be
	opened  sync.Once
	closing sync.Once

	discovery *discovery

	mu         sync.Mutex
	closed     bool
	publishing sync.WaitGroup // grows under mu and while not closed
	nodes      map[string]*producerNode
}

// NewProducer starts nothing: the first Publish or PublishTo looks for nsqd and connects.
func NewProducer(cfg ProducerConfig) (*Producer, error) {
	cfg.setDefaults()
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	conf, err := cfg.connection(producerHeartbeat, producerReadTimeout)
	if err != nil {
		return nil, err
	}
	p := &Producer{
		cfg:    cfg,
		conf:   conf,
		seed:   maphash.MakeSeed(),
		usable: make(chan struct{}),
		nodes:  make(map[string]*producerNode),
	}
	p.discovery = allNodes(&p.cfg.Cluster)
	p.discovery.logger = p.cfg.Logger
	p.alive, p.end = context.WithCancel(context.Background())
	return p, nil
}

// Publish returns nil once an nsqd has the message. It tries the nsqd in random order, each once and for
// at most PublishTimeout, and those set aside last; the message may arrive more than once. Without any
// nsqd it waits for the first answer of nsqlookupd. It ends with ctx.
//
// An empty or oversized body and a bad topic are refused with ErrEmpty, ErrTooLarge and ErrTopic before
// anything is sent, since nsqd would drop the connection. What nsqd itself refuses for good is an
// ErrRefused; Refused tells all of these from failures that may pass. Body must not change afterwards,
// even if Publish failed.
func (p *Producer) Publish(ctx context.Context, topic string, body []byte) error {
	if err := p.begin(ctx, topic, body); err != nil {
		return err
	}
	defer p.publishing.Done()
	return p.publish(ctx, topic, body)
}

// PublishTo is Publish through the one nsqd that Nodes names so, whether it is set aside or not, which it leaves as it
// is. It waits for that nsqd's answer for at most PublishTimeout, and for no other. An unknown one is an ErrNoNSQD; one
// that nsqlookupd names becomes known some time after the others.
func (p *Producer) PublishTo(ctx context.Context, nsqd, topic string, body []byte) error {
	if err := p.begin(ctx, topic, body); err != nil {
		return err
	}
	defer p.publishing.Done()
	p.mu.Lock()
	n := p.nodes[nsqd]
	p.mu.Unlock()
	if n == nil {
		return fmt.Errorf("%w: %s", ErrNoNSQD, nsqd)
	}
	p.begun(n)
	if err := n.publish(ctx, p.cfg.PublishTimeout, topic, body); err != nil {
		return fmt.Errorf("nsqpubsub: publish: %s: %w", nsqd, err)
	}
	return nil
}

// begin checks the message and waits until nsqd are known. If it returns nil, publishing.Done is due.
func (p *Producer) begin(ctx context.Context, topic string, body []byte) (err error) {
	if err := p.check(topic, body); err != nil {
		return err
	}
	if !p.enter() {
		return ErrClosed
	}
	defer func() {
		if err != nil {
			p.publishing.Done()
		}
	}()
	p.start.Do(p.startDiscovery)
	select {
	case <-p.usable:
		return nil
	case <-p.alive.Done():
		return ErrClosed
	case <-ctx.Done():
		return because(fmt.Errorf("nsqpubsub: find nsqd: %w", ctx.Err()), p.discovery.lookups())
	}
}

func (p *Producer) check(topic string, body []byte) error {
	switch {
	case !nsq.IsValidTopicName(topic):
		return fmt.Errorf("%w: %q", ErrTopic, topic)
	case len(body) == 0:
		return ErrEmpty
	case len(body) > p.cfg.MaxMessageSize:
		return fmt.Errorf("%w: %d bytes, at most %d", ErrTooLarge, len(body), p.cfg.MaxMessageSize)
	}
	return nil
}

func (p *Producer) enter() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.closed {
		p.publishing.Add(1)
	}
	return !p.closed
}

func (p *Producer) publish(ctx context.Context, topic string, body []byte) error {
	nodes := p.candidates(time.Now())
	if len(nodes) == 0 {
		return because(ErrNoNSQD, p.discovery.lookups())
	}
	var failures []error
	for _, n := range nodes {
		p.begun(n)
		err := n.publish(ctx, p.cfg.PublishTimeout, topic, body)
		if err == nil {
			n.succeeded()
			return nil
		}
		failures = append(failures, fmt.Errorf("%s: %w", n.addr, err))
		if ctx.Err() != nil || p.alive.Err() != nil {
			break
		}
		if !Refused(err) { // else it is the message's fault
			n.failed(err, time.Now(), p.cfg.SetAside)
		}
	}
	return fmt.Errorf("nsqpubsub: publish: %w", errors.Join(failures...))
}

func (p *Producer) startDiscovery() {
	p.tasks.Go(func() { p.discovery.run(p.alive, p.found) })
}

// found brings the nodes in line with what discovery knows.
func (p *Producer) found(addrs []string, settled bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return
	}
	for _, addr := range addrs {
		if p.nodes[addr] == nil {
			n := newProducerNode(p.alive, addr, p.conf, p.cfg.Logger)
			p.nodes[addr] = n
		}
	}
	for addr, n := range p.nodes {
		if _, ok := slices.BinarySearch(addrs, addr); !ok && !n.connected.Load() {
			delete(p.nodes, addr)
			n.drop()
		}
	}
	if len(p.nodes) > 0 || settled {
		p.opened.Do(func() { close(p.usable) })
	}
}

// Close lets each Publish under way end its current attempt, and closes the connections. It returns
// within PublishTimeout and a second; what a hung nsqd still holds then ends by itself within four.
// Further calls do nothing.
func (p *Producer) Close() error {
	p.closing.Do(func() {
		p.mu.Lock()
		p.closed = true
		p.mu.Unlock()
		waitFor(&p.publishing, p.cfg.PublishTimeout)
		p.mu.Lock()
		p.end() // from here on begun starts no goroutine
		p.mu.Unlock()
		waitFor(&p.tasks, time.Second)
	})
	return nil
}

// waitFor waits for wg, at most for limit.
func waitFor(wg *sync.WaitGroup, limit time.Duration) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		wg.Wait()
	}()
	timeout := time.NewTimer(limit)
	defer timeout.Stop()
	select {
	case <-done:
	case <-timeout.C:
	}
}
