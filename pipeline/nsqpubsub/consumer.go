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
	Channel string // consumers of one channel share its messages; "…#ephemeral" is deleted with its last consumer

	// MaxInFlight limits the messages handled at once. Each nsqd gets an equal share, at least one. Default 256, or 64 for each
	// nsqd if that is more.
	MaxInFlight int

	// Batch is the maximum number of messages that one goroutine handles together; it does not wait for a batch to fill.
	// Default 1. There are MaxInFlight/Batch goroutines, and a slow message delays its batch.
	Batch int

	// Initialize consumes from every nsqd, which creates topic and channel there. Otherwise the Consumer uses the static nsqd
	// and those that have the topic.
	Initialize bool

	// RequeueDelay is the time before a failed message is delivered again, default 100 ms. nsqd checks for such messages every
	// 100 ms, but in a new channel only after up to 5 s.
	RequeueDelay time.Duration

	HeartbeatInterval time.Duration // default 5 s; with 1 s a pause of 6 s loses messages of an ephemeral channel
	ReadTimeout       time.Duration // silence after which a connection is lost, default 12 s
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

// Validate returns an error that names the first invalid field.
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

// Handler handles a message. It must return when ctx ends. It may use d until it returns, and d.Body afterwards.
type Handler func(ctx context.Context, d *Delivery) error

// BatchHandler handles between one and ConsumerConfig.Batch messages. It must return when ctx ends. If it returns nil, the
// messages are finished, except those on which it called Retry; if it returns an error, all are delivered again.
type BatchHandler func(ctx context.Context, batch []Delivery) error

// queueSize is the number of messages that may wait for a handler. It is larger than the number that may be in flight, so that
// go-nsq responds to nsqd's heartbeats while all handlers are busy.
const queueSize = 4096

// Consumer receives the messages of a topic from the nsqd of a cluster. Each nsqd has its own connection and goroutine, unlike
// in go-nsq's Consumer, which waits for one nsqd before it tries the next.
type Consumer struct {
	cfg       ConsumerConfig
	conf      *nsq.Config
	discovery *discovery

	ran      atomic.Bool
	queue    chan *nsq.Message
	running  sync.WaitGroup // goroutines of conns and open connections, which send on queue
	handlers sync.WaitGroup
	handling int // number of handlers; only used by the goroutine of discovery

	settled    chan struct{} // closed when every nsqlookupd has responded or failed
	settleOnce sync.Once

	mu       sync.Mutex
	conns    map[string]*consumerConn // by address
	waiting  int                      // number of known nsqd that are not tried now
	lastTurn string                   // the address that was admitted last
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
		queue:   make(chan *nsq.Message, max(queueSize, 2*cfg.MaxInFlight)),
		settled: make(chan struct{}),
		conns:   make(map[string]*consumerConn),
	}
	if c.discovery = nodesOf(&c.cfg.Cluster, cfg.Topic); cfg.Initialize {
		c.discovery = allNodes(&c.cfg.Cluster)
	}
	c.discovery.logger = cfg.Logger
	return c, nil
}

// Run consumes until ctx ends, and returns nil when its goroutines and handlers have ended; messages that they have not
// finished are delivered again. If a handler returns nil, the message is finished; if it returns an error, the message is
// delivered again after RequeueDelay, which does not delay others. An attempt to connect to a hung nsqd may continue after Run
// has returned, for at most ReadTimeout. Run can be called once.
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

// RunBatches is like Run, with a handler of batches.
func (c *Consumer) RunBatches(ctx context.Context, h BatchHandler) error {
	if c.ran.Swap(true) {
		return errors.New("nsqpubsub: Run was called before")
	}
	c.discovery.run(ctx, func(addrs []string, settled bool) { c.found(ctx, h, addrs, settled) })

	c.running.Wait()
	close(c.queue)
	c.handlers.Wait()
	return nil
}

// found starts and ends connections and starts handlers according to the addresses that discovery knows.
func (c *Consumer) found(ctx context.Context, h BatchHandler, addrs []string, settled bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for addr, n := range c.conns {
		if _, ok := slices.BinarySearch(addrs, addr); !ok && !n.connected() {
			c.removeConn(addr)
		}
	}
	for _, addr := range c.admit(addrs, time.Now()) {
		c.conns[addr] = c.startConn(ctx, addr)
	}
	total := cmp.Or(c.cfg.MaxInFlight, max(256, 64*len(c.conns)))
	for ; c.handling < max(1, total/c.cfg.Batch); c.handling++ {
		c.handlers.Go(func() { c.handle(ctx, h) })
	}
	for _, n := range c.conns {
		n.setMaxInFlight(max(1, total/len(c.conns)))
	}
	if settled {
		c.settleOnce.Do(func() { close(c.settled) })
	}
}

func (c *Consumer) removeConn(addr string) {
	c.conns[addr].end()
	delete(c.conns, addr)
}

func (c *Consumer) startConn(ctx context.Context, addr string) *consumerConn {
	n := newConsumerConn(ctx, c, addr)
	c.running.Go(n.run)
	return n
}

// handle handles messages until the queue is closed. After ctx has ended, it requeues them.
func (c *Consumer) handle(ctx context.Context, h BatchHandler) {
	messages := make([]*nsq.Message, 0, c.cfg.Batch)
	for m := range c.queue {
		messages = c.fill(append(messages[:0], m))
		batch := make([]Delivery, len(messages)) // not reused: the context of a message may be used after its handling
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

// fill appends messages from the queue, up to the size of a batch.
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

// awaitConns waits until each known nsqd has been tried once or ctx ends.
func (c *Consumer) awaitConns(ctx context.Context) {
	select {
	case <-c.settled:
	case <-ctx.Done():
	}
	c.mu.Lock()
	conns := slices.Collect(maps.Values(c.conns))
	c.mu.Unlock()
	for _, n := range conns {
		select {
		case <-n.tried:
		case <-ctx.Done():
		}
	}
}

// Reconnect replaces the connection to one nsqd, given by its address as Nodes lists it, or ends the attempt to connect. The new
// connection does not wait for the old one to close. Messages in flight on the old connection are finished on it if possible,
// or delivered again; those that never arrived are delivered again after nsqd's message timeout. Reconnect does not block, and
// does nothing for an nsqd that is not known.
func (c *Consumer) Reconnect(nsqd string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if n := c.conns[nsqd]; n != nil {
		n.reconnect()
	}
}
