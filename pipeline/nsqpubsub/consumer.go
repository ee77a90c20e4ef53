package nsqpubsub

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/nsqio/go-nsq"
)

// ConsumerConfig describes a Consumer.
type ConsumerConfig struct {
	Cluster
	Topic   string
	Channel string // consumers of one channel share its messages; "…#ephemeral" goes with its last consumer

	// MaxInFlight bounds the messages handled at once. It is spread evenly over the nsqd, at least one to
	// each. Default 256 or 64 for each nsqd, whichever is more.
	MaxInFlight int

	// Batch is how many messages, of those that have come, one goroutine handles together. Default 1; with
	// more there are fewer goroutines, as many as have MaxInFlight in hand, and one slow message holds up
	// its batch. Nothing waits for a batch to fill.
	Batch int

	// Initialize consumes from every nsqd, which creates topic and channel there; otherwise from those
	// that have the topic. Static nsqd are always consumed from.
	Initialize bool

	// RequeueDelay is how long a failed message stays away, default 100 ms. Nsqd looks every 100 ms, but
	// at a channel it has just made only after up to 5 s.
	RequeueDelay time.Duration

	HeartbeatInterval time.Duration // default 5 s; 1 s loses messages of an ephemeral channel in a pause of 6 s
	ReadTimeout       time.Duration // silence that ends a connection, default 12 s
	Logger            watermill.LoggerAdapter
}

func (c *ConsumerConfig) setDefaults() {
	c.Cluster.setDefaults()
	c.Batch = cmp.Or(c.Batch, 1)
	c.RequeueDelay = cmp.Or(c.RequeueDelay, 100*time.Millisecond)
	c.HeartbeatInterval = cmp.Or(c.HeartbeatInterval, 5*time.Second)
	c.ReadTimeout = cmp.Or(c.ReadTimeout, 12*time.Second)
	if c.Logger == nil {
		c.Logger = watermill.NopLogger{}
	}
}

// Validate names the first field that cannot work.
func (c *ConsumerConfig) Validate() error {
	if !nsq.IsValidTopicName(c.Topic) {
		return fmt.Errorf("nsqpubsub: Topic: %w: %q", ErrTopic, c.Topic)
	}
	return c.validateAnyTopic()
}

func (c *ConsumerConfig) validateAnyTopic() error {
	if !nsq.IsValidChannelName(c.Channel) {
		return fmt.Errorf("nsqpubsub: Channel: invalid name %q", c.Channel)
	}
	if c.MaxInFlight < 0 {
		return errors.New("nsqpubsub: MaxInFlight: negative")
	}
	if c.Batch < 0 {
		return errors.New("nsqpubsub: Batch: negative")
	}
	if c.ReadTimeout <= c.HeartbeatInterval {
		return errors.New("nsqpubsub: ReadTimeout: not above HeartbeatInterval")
	}
	return errors.Join(
		c.Cluster.Validate(),
		notNegative("RequeueDelay", c.RequeueDelay),
		notNegative("HeartbeatInterval", c.HeartbeatInterval),
	)
}

// Handler handles a message and ends with ctx. It owns d until it returns; d.Body it may keep.
type Handler func(ctx context.Context, d *Delivery) error

// BatchHandler handles the messages that have come, from one to ConsumerConfig.Batch, and ends with ctx.
// Its nil finishes them, but for those that it called Retry on; its error has all of them delivered again.
type BatchHandler func(ctx context.Context, batch []Delivery) error

// queued is how many messages may wait for a handler. It exceeds what nsqd sends before it is told that
// messages are handled, so that go-nsq goes on answering heartbeats while every handler is busy.
const queued = 4096

// Consumer receives a topic's messages from the nsqd of a cluster. It keeps one connection to each,
// supervised on its own: go-nsq's own Consumer waits for one nsqd before it tries the next, moves RDY
// between them, and may panic if it is stopped while it connects.
type Consumer struct {
	cfg       ConsumerConfig
	conf      *nsq.Config
	discovery *discovery

	ran      atomic.Bool
	queue    chan *nsq.Message
	links    sync.WaitGroup // supervisors and open connections: all that sends on queue
	handlers sync.WaitGroup
	handling int // handlers started; discovery's goroutine alone uses it

	settled    chan struct{} // closed when discovery has settled
	settleOnce sync.Once

	mu      sync.Mutex
	linked  map[string]*link // by address
	waiting int              // nsqd known that are not tried now
	turn    string           // the address that was admitted last
}

// NewConsumer starts nothing.
func NewConsumer(cfg ConsumerConfig) (*Consumer, error) {
	cfg.setDefaults()
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	conf, err := cfg.connection(cfg.HeartbeatInterval, cfg.ReadTimeout)
	if err != nil {
		return nil, err
	}
	conf.OutputBufferTimeout = 25 * time.Millisecond
	c := &Consumer{
		cfg:     cfg,
		conf:    conf,
		queue:   make(chan *nsq.Message, max(queued, 2*cfg.MaxInFlight)),
		settled: make(chan struct{}),
		linked:  make(map[string]*link),
	}
	if c.discovery = nodesOf(&c.cfg.Cluster, cfg.Topic); cfg.Initialize {
		c.discovery = allNodes(&c.cfg.Cluster)
	}
	c.discovery.logger = cfg.Logger
	return c, nil
}

// Run consumes until ctx ends, and then returns nil once its goroutines and handlers have; what they had
// in hand is delivered again. A handler's nil finishes the message; its error has it delivered again after
// RequeueDelay, without slowing down the others. A connection attempt to a hung nsqd may outlast Run,
// and ends by itself within ReadTimeout. Run can be called once.
func (c *Consumer) Run(ctx context.Context, h Handler) error {
	return c.RunBatches(ctx, func(ctx context.Context, batch []Delivery) error {
		for i := range batch {
			if err := h(ctx, &batch[i]); err != nil {
				batch[i].Retry()
			}
		}
		return nil
	})
}

// RunBatches is Run for a handler of batches.
func (c *Consumer) RunBatches(ctx context.Context, h BatchHandler) error {
	if c.ran.Swap(true) {
		return errors.New("nsqpubsub: consumer ran already")
	}
	c.discovery.run(ctx, func(addrs []string, settled bool) { c.found(ctx, h, addrs, settled) })

	c.links.Wait()
	close(c.queue)
	c.handlers.Wait()
	return nil
}

// found brings links and handlers in line with what discovery knows.
func (c *Consumer) found(ctx context.Context, h BatchHandler, addrs []string, settled bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for addr, l := range c.linked {
		if _, ok := slices.BinarySearch(addrs, addr); !ok && !l.connected() {
			c.unlink(addr)
		}
	}
	for _, addr := range c.admit(addrs, time.Now()) {
		c.linked[addr] = c.startLink(ctx, addr)
	}
	total := cmp.Or(c.cfg.MaxInFlight, max(256, 64*len(c.linked)))
	for ; c.handling < max(1, total/c.cfg.Batch); c.handling++ {
		c.handlers.Go(func() { c.handle(ctx, h) })
	}
	for _, l := range c.linked {
		l.allow(max(1, total/len(c.linked)))
	}
	if settled {
		c.settleOnce.Do(func() { close(c.settled) })
	}
}

func (c *Consumer) unlink(addr string) {
	c.linked[addr].end()
	delete(c.linked, addr)
}

func (c *Consumer) startLink(ctx context.Context, addr string) *link {
	l := newLink(ctx, c, addr)
	c.links.Go(l.run)
	return l
}

// handle answers messages until the queue is closed. After ctx it only gives them back.
func (c *Consumer) handle(ctx context.Context, h BatchHandler) {
	messages := make([]*nsq.Message, 0, c.cfg.Batch)
	for m := range c.queue {
		messages = c.fill(append(messages[:0], m))
		batch := make([]Delivery, len(messages)) // anew: a message's context may outlive its handling
		for i, m := range messages {
			batch[i] = Delivery{
				ID:        m.ID,
				Body:      m.Body,
				Timestamp: time.Unix(0, m.Timestamp),
				Attempts:  m.Attempts,
				NSQD:      m.NSQDAddress,
			}
		}
		err := ctx.Err()
		if err == nil {
			err = h(ctx, batch)
		}
		for i, m := range messages {
			switch {
			case err == nil && !batch[i].retry:
				m.Finish()
			case ctx.Err() != nil:
				m.RequeueWithoutBackoff(0)
			default:
				m.RequeueWithoutBackoff(c.cfg.RequeueDelay)
			}
		}
	}
}

// fill adds what waits in the queue, up to a batch.
func (c *Consumer) fill(messages []*nsq.Message) []*nsq.Message {
	for len(messages) < c.cfg.Batch {
		select {
		case m, open := <-c.queue:
			if !open {
				return messages
			}
			messages = append(messages, m)
		default:
			return messages
		}
	}
	return messages
}

// awaitLinks returns when each nsqd known has been tried once, at the latest when ctx ends.
func (c *Consumer) awaitLinks(ctx context.Context) {
	select {
	case <-c.settled:
	case <-ctx.Done():
	}
	c.mu.Lock()
	links := slices.Collect(maps.Values(c.linked))
	c.mu.Unlock()
	for _, l := range links {
		select {
		case <-l.tried:
		case <-ctx.Done():
		}
	}
}

// Reconnect gives up the connection to the nsqd that Nodes names so, or the attempt at one, and makes it anew at once,
// beside the old one if that hangs. What is in flight on the old one is finished there if it can be, or delivered again:
// what never arrived here only after nsqd's message timeout. It does not block, and does nothing for an unknown nsqd.
func (c *Consumer) Reconnect(nsqd string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if l := c.linked[nsqd]; l != nil {
		l.reconnect()
	}
}
