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
	Channel string // consumers of one channel share its messages; nsqd deletes a channel "…#ephemeral" when its last consumer disconnects

	// MaxInFlight limits the messages handled at once. Each nsqd gets an equal share, at least one message. Default 256, or 64 for each
	// nsqd if that is more.
	MaxInFlight int

	// Batch is the maximum number of messages that one goroutine handles together: messages of one nsqd that have arrived together. The
	// goroutine does not wait for a batch to fill. Default 1. There are MaxInFlight/Batch goroutines, and a slow message delays its batch.
	Batch int

	// Initialize makes the Consumer subscribe to every nsqd of the cluster, which creates the topic and the channel there. Without
	// Initialize, the Consumer subscribes to the nsqd in Cluster.NSQD and to the nsqd that have the topic according to nsqlookupd.
	Initialize bool

	// CreateTopics are further topics that exist on every nsqd to which the Consumer connects. The Consumer creates them after it has
	// connected, and tries again every minute while nsqd does not permit it. So subscribers that look for these topics at nsqlookupd find
	// all nsqd before the first message. nsqd logs a rejected command for each topic.
	CreateTopics []string

	// RequeueDelay is the time before a failed message is delivered again, default 100 ms. Every 100 ms, nsqd looks for messages to
	// deliver again, but in a new channel it begins only after up to 5 s.
	RequeueDelay time.Duration

	// HeartbeatInterval is the time between two heartbeats of nsqd, default 5 s. If this process pauses for two intervals, nsqd closes the
	// connection, and deletes an ephemeral channel without other consumers together with its messages.
	HeartbeatInterval time.Duration

	ReadTimeout time.Duration // a connection on which nothing arrives for this time is given up, default 12 s
	Logger      watermill.LoggerAdapter
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
	for _, topic := range c.CreateTopics {
		if !nsq.IsValidTopicName(topic) {
			return fmt.Errorf("nsqpubsub: CreateTopics: %w: %q", ErrTopic, topic)
		}
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

// BatchHandler handles between one and ConsumerConfig.Batch messages. It must return when ctx ends. If it returns nil, the messages are
// finished, except those on which it called Retry; if it returns an error, all messages of the batch are delivered again.
type BatchHandler func(ctx context.Context, batch []Delivery) error

// nsqd buffers messages for 25 ms, or until it has 64 KiB of them, the most that it allows by default. A consumer that has as many messages in
// flight as RDY allows gets them at once. So 25 ms is the longest delay, and the larger the buffer, the fewer system calls and wake-ups
// a message costs both processes.
const (
	outputBufferTimeout = 25 * time.Millisecond
	outputBufferSize    = 64 << 10
)

// queueSize is the minimum number of batches that can wait for a handler. A connection does not respond to nsqd's heartbeats while the
// queue is full, so the queue has room for all messages in flight: by default, 64 messages from each of 64 nsqd.
const queueSize = 4096

// delivered is a batch of messages that arrived together on one connection.
type delivered struct {
	session *session
	batch   []Delivery
}

// Consumer receives the messages of a topic from the nsqd of a cluster. Each nsqd has its own connection and goroutines, so an nsqd that
// hangs does not delay the others.
type Consumer struct {
	cfg       ConsumerConfig
	conf      *nsq.Config
	discovery *discovery

	ran      atomic.Bool
	queue    chan delivered
	running  sync.WaitGroup // counts the goroutines of conns and of the open connections; only these send batches to the channel "queue"
	handlers sync.WaitGroup
	handling int // number of handler goroutines; used only by the method found, whose calls are sequential

	settled    chan struct{} // closed when every nsqlookupd has responded or failed at least once
	settleOnce sync.Once

	mu       sync.Mutex
	conns    map[string]*consumerConn // the connections, by the address of the nsqd
	waiting  int                      // number of known nsqd that wait for their turn: see Waiting
	lastTurn string                   // address of the nsqd that had its turn last: see inTurn
}

// NewConsumer returns a Consumer that does not connect before Run or RunBatches is called.
func NewConsumer(cfg ConsumerConfig) (*Consumer, error) {
	cfg.setDefaults()
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	conf, err := cfg.connection(cfg.HeartbeatInterval, cfg.ReadTimeout)
	if err != nil {
		return nil, err
	}
	conf.OutputBufferTimeout, conf.OutputBufferSize = outputBufferTimeout, outputBufferSize
	c := &Consumer{
		cfg:     cfg,
		conf:    conf,
		queue:   make(chan delivered, max(queueSize, 2*cfg.MaxInFlight)),
		settled: make(chan struct{}),
		conns:   make(map[string]*consumerConn),
	}
	if c.discovery = nodesOf(&c.cfg.Cluster, cfg.Topic); cfg.Initialize {
		c.discovery = allNodes(&c.cfg.Cluster)
	}
	c.discovery.logger = cfg.Logger
	return c, nil
}

// Run receives and handles messages until ctx ends. It returns nil when its goroutines and handlers have ended; NSQ then delivers
// unfinished messages again. If the handler h returns nil, the message is finished. If h returns an error, the message is delivered
// again after RequeueDelay, and other messages are not delayed. Run can be called once; a second call returns an error.
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

// RunBatches is like Run, but its handler h handles several messages together.
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

// found starts connections to those known nsqd, given by the sorted slice addrs, whose turn it is. It ends attempts to connect to nsqd
// that are no longer known. It also starts handlers if more are needed, and divides MaxInFlight among the nsqd.
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

// handle handles the batches in c.queue until that channel is closed. After ctx has ended, it requeues the messages instead.
func (c *Consumer) handle(ctx context.Context, h BatchHandler) {
	for d := range c.queue {
		err := ctx.Err()
		if err == nil {
			err = h(ctx, d.batch)
		}
		for i := range d.batch {
			d.batch[i].retry = d.batch[i].retry || err != nil
		}
		delay := c.cfg.RequeueDelay
		if ctx.Err() != nil {
			delay = 0
		}
		d.session.answer(d.batch, delay)
	}
}

// awaitConns waits until the Consumer has tried at least once to connect to each known nsqd, or ctx ends.
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

// Reconnect replaces the connection to one nsqd, given by its address as Nodes lists it. If the Consumer is trying to connect to the
// nsqd, Reconnect ends this attempt and begins a new one. The new connection does not wait for the old connection to close. Messages in
// flight on the old connection are finished on that connection if possible, else delivered again. Messages that nsqd has sent but that
// never arrived are delivered again after nsqd's message timeout. Reconnect does not block. It does nothing for an nsqd that is not
// known.
func (c *Consumer) Reconnect(nsqd string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if n := c.conns[nsqd]; n != nil {
		n.reconnect()
	}
}
