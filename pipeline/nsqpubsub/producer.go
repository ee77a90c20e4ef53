package nsqpubsub

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/nsqio/go-nsq"
)

const (
	// The heartbeat interval is the shortest that nsqd allows. The read timeout ends a connection to a hung nsqd after three intervals.
	producerHeartbeat   = time.Second
	producerReadTimeout = 3 * time.Second
)

// ProducerConfig describes a Producer.
type ProducerConfig struct {
	Cluster
	PublishTimeout time.Duration // how long Publish waits for one nsqd before it tries the next nsqd; default 1 s
	PenaltyTime    time.Duration // how long an nsqd that failed is tried last (is in the penalty box), default 5 s
	MaxMessageSize int           // maximum size of a body in bytes, at most nsqd's --max-msg-size; default 1 MiB, which is also nsqd's default

	// Ordered makes the Producer publish through one nsqd, which it chooses at random, until that nsqd fails. Then it stays with the next
	// nsqd. A new nsqd does not take over, because subscribers may find it late. A consumer with one message in flight receives the
	// messages in the order of Publish, except around a failure.
	Ordered bool

	Logger watermill.LoggerAdapter
}

func (c *ProducerConfig) setDefaults() {
	c.Cluster.setDefaults()
	c.PublishTimeout = cmp.Or(c.PublishTimeout, time.Second)
	c.PenaltyTime = cmp.Or(c.PenaltyTime, 5*time.Second)
	c.MaxMessageSize = cmp.Or(c.MaxMessageSize, 1<<20)
	if c.Logger == nil {
		c.Logger = watermill.NopLogger{}
	}
}

// Validate returns an error that names the first invalid field.
func (c *ProducerConfig) Validate() error {
	if c.MaxMessageSize < 0 {
		return errors.New("nsqpubsub: MaxMessageSize: negative")
	}
	return errors.Join(
		c.Cluster.Validate(),
		notNegative("PublishTimeout", c.PublishTimeout),
		notNegative("PenaltyTime", c.PenaltyTime),
	)
}

// Producer publishes each message to one nsqd of a cluster: to a random nsqd, or always to the same nsqd if Ordered is set. It has at
// most one connection to each nsqd. It is safe for concurrent use.
type Producer struct {
	cfg  ProducerConfig
	conf *nsq.Config

	alive context.Context // ends when Close is called
	end   context.CancelFunc
	tasks sync.WaitGroup // counts the goroutines: one of discovery, and one for each nsqd to which a message was published
	seed  maphash.Seed   // determines the order of the nsqd if Ordered is set

	start   sync.Once
	usable  chan struct{} // closed when an nsqd is known, or every nsqlookupd has responded or failed at least once
	opened  sync.Once
	closing sync.Once

	discovery *discovery

	last atomic.Pointer[producerConn] // the nsqd that accepted the last message of Publish or PublishAll

	mu         sync.Mutex
	closed     bool
	publishing sync.WaitGroup // counts running calls of Publish, PublishAll and PublishTo; none is added once the field "closed" is true
	nodes      map[string]*producerConn
}

// NewProducer starts nothing: the first Publish or PublishTo finds the nsqd and connects.
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
		nodes:  make(map[string]*producerConn),
	}
	p.discovery = allNodes(&p.cfg.Cluster)
	p.discovery.logger = p.cfg.Logger
	p.alive, p.end = context.WithCancel(context.Background())
	return p, nil
}

// Publish returns nil once an nsqd has accepted the message. It tries one nsqd after the other until ctx ends, each once and for at
// most PublishTimeout. The order is random unless Ordered is set; nsqd in the penalty box are last. NSQ can deliver the message more
// than once. If no nsqd is known, Publish waits until an nsqd is known or every nsqlookupd has responded or failed.
//
// Publish returns ErrEmpty for an empty body, ErrTooLarge for a body that is too large, and ErrTopic for an invalid topic. It sends
// nothing then, because nsqd would close the connection. It returns ErrUnpublishable for a message that nsqd rejects. Unpublishable is
// true for these four errors. The caller must not change body after the call, even if Publish returns an error.
func (p *Producer) Publish(ctx context.Context, topic string, body []byte) error {
	return p.PublishAll(ctx, topic, [][]byte{body})
}

// PublishAll publishes messages in order by a single command, as Publish publishes one message: all of them are accepted by the same
// nsqd. After an error, nsqd can have accepted none, some or all of them. If one of them is unpublishable, all of them fail, and the
// error does not tell which one is to blame; it can also be the error of a lost connection, because nsqd closes the connection. The
// bodies together must be smaller than nsqd's --max-body-size, 5 MiB by default.
func (p *Producer) PublishAll(ctx context.Context, topic string, bodies [][]byte) error {
	if err := p.begin(ctx, topic, bodies); err != nil {
		return err
	}
	defer p.publishing.Done()
	return p.publish(ctx, topic, bodies)
}

// PublishTo publishes to one nsqd, given by its address as Nodes lists it. It also publishes to an nsqd in the penalty box, and neither
// puts an nsqd into the penalty box nor takes it out. It waits for the response for at most PublishTimeout. It returns ErrNoNSQD if the
// nsqd is not known; an nsqd that only nsqlookupd names becomes known when nsqlookupd has responded.
func (p *Producer) PublishTo(ctx context.Context, nsqd, topic string, body []byte) error {
	bodies := [][]byte{body}
	if err := p.begin(ctx, topic, bodies); err != nil {
		return err
	}
	defer p.publishing.Done()
	p.mu.Lock()
	n := p.nodes[nsqd]
	p.mu.Unlock()
	if n == nil {
		return fmt.Errorf("%w: %s", ErrNoNSQD, nsqd)
	}
	p.startConn(n)
	if err := n.publish(ctx, p.cfg.PublishTimeout, topic, bodies); err != nil {
		return fmt.Errorf("nsqpubsub: publish: %s: %w", nsqd, err)
	}
	return nil
}

// begin checks the messages and waits for p.usable. If it returns nil, the caller must call p.publishing.Done after publishing.
func (p *Producer) begin(ctx context.Context, topic string, bodies [][]byte) (err error) {
	if err := p.check(topic, bodies); err != nil {
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
		return withLookups(fmt.Errorf("nsqpubsub: find nsqd: %w", ctx.Err()), p.discovery.lookups())
	}
}

func (p *Producer) check(topic string, bodies [][]byte) error {
	if !nsq.IsValidTopicName(topic) {
		return fmt.Errorf("%w: %q", ErrTopic, topic)
	}
	if len(bodies) == 0 {
		return errors.New("nsqpubsub: no message to publish")
	}
	for _, body := range bodies {
		if len(body) == 0 {
			return ErrEmpty
		}
		if len(body) > p.cfg.MaxMessageSize {
			return fmt.Errorf("%w: %d bytes, at most %d", ErrTooLarge, len(body), p.cfg.MaxMessageSize)
		}
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

func (p *Producer) publish(ctx context.Context, topic string, bodies [][]byte) error {
	nodes := p.publishOrder(time.Now())
	if len(nodes) == 0 {
		return withLookups(ErrNoNSQD, p.discovery.lookups())
	}
	var failures []error
	for _, n := range nodes {
		p.startConn(n)
		err := n.publish(ctx, p.cfg.PublishTimeout, topic, bodies)
		if err == nil {
			n.succeeded()
			p.last.Store(n)
			return nil
		}
		failures = append(failures, fmt.Errorf("%s: %w", n.addr, err))
		if ctx.Err() != nil || p.alive.Err() != nil {
			break
		}
		if !Unpublishable(err) { // nsqd is not to blame for a message that cannot be published
			n.failed(err, time.Now(), p.cfg.PenaltyTime)
		}
	}
	return fmt.Errorf("nsqpubsub: publish: %w", errors.Join(failures...))
}

func (p *Producer) startDiscovery() {
	p.tasks.Go(func() { p.discovery.run(p.alive, p.found) })
}

// found adds the known nsqd, given by the sorted slice addrs, to p.nodes. It removes nsqd that are neither known nor connected.
func (p *Producer) found(addrs []string, settled bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return
	}
	for _, addr := range addrs {
		if p.nodes[addr] == nil {
			p.nodes[addr] = newProducerConn(p.alive, addr, p.conf, p.cfg.Logger)
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

// Close waits for running calls of Publish, PublishAll and PublishTo, but at most for PublishTimeout, and then closes the connections. It
// returns when all goroutines have ended. Further calls do nothing.
func (p *Producer) Close() error {
	p.closing.Do(func() {
		p.mu.Lock()
		p.closed = true
		p.mu.Unlock()
		waitFor(&p.publishing, p.cfg.PublishTimeout)
		p.mu.Lock()
		p.end() // from here on startConn starts no goroutine
		p.mu.Unlock()
		p.tasks.Wait()
	})
	return nil
}

// waitFor waits for the WaitGroup, but no longer than the duration limit.
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
