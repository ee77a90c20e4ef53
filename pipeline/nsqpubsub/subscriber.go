package nsqpubsub

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/nsqio/go-nsq"
)

const (
	subscribeTimeout  = time.Second
	initializeTimeout = 5 * time.Second
)

// SubscriberConfig describes a Subscriber. Topic must be empty: it is an argument of Subscribe.
//
// If Batch is above 1, a Watermill message can represent several NSQ messages, which BatchFromContext returns. This costs less, because
// most of the cost of Watermill is per Watermill message. The UUID and the payload of the Watermill message are those of the first NSQ
// message. A nack of the Watermill message makes NSQ deliver all its NSQ messages again. The Unmarshaler must be Plain if Batch is
// above 1.
type SubscriberConfig struct {
	ConsumerConfig
	Unmarshaler Unmarshaler // default Plain
}

// Subscriber is a message.Subscriber with one Consumer for each subscription. All Consumers use the same channel name.
type Subscriber struct {
	cfg     SubscriberConfig
	closing context.Context
	close   context.CancelFunc
	running sync.WaitGroup // counts the goroutines of the subscriptions; none is added after Close was called

	mu            sync.Mutex
	subscriptions map[*subscription]struct{}
}

var (
	_ message.Subscriber           = (*Subscriber)(nil)
	_ message.SubscribeInitializer = (*Subscriber)(nil)
)

// NewSubscriber returns a Subscriber that does not connect before Subscribe or SubscribeInitialize is called.
func NewSubscriber(cfg SubscriberConfig) (*Subscriber, error) {
	cfg.setDefaults()
	if cfg.Topic != "" {
		return nil, errors.New("nsqpubsub: Topic: must be empty; it is an argument of Subscribe")
	}
	if err := cfg.validateAnyTopic(); err != nil {
		return nil, err
	}
	if cfg.Unmarshaler == nil {
		cfg.Unmarshaler = Plain{}
	}
	if _, ok := cfg.Unmarshaler.(Plain); !ok && cfg.Batch > 1 {
		return nil, errors.New("nsqpubsub: Batch: above 1 requires the Unmarshaler Plain")
	}
	s := &Subscriber{cfg: cfg, subscriptions: make(map[*subscription]struct{})}
	s.closing, s.close = context.WithCancel(context.Background())
	return s, nil
}

// Subscribe returns when the subscription to each known nsqd has succeeded or failed, but after at most a second. Later it also
// subscribes to nsqd that become known then. The returned channel is not buffered. After ctx has ended or Close was called, the channel
// is closed as soon as every message is acked, nacked or requeued.
//
// The context of a message is derived from ctx; BatchFromContext returns the NSQ messages in it. The context ends when the message is
// acked or nacked, or when the subscription ends.
func (s *Subscriber) Subscribe(ctx context.Context, topic string) (<-chan *message.Message, error) {
	cfg := s.cfg.ConsumerConfig
	cfg.Topic = topic
	consumer, err := NewConsumer(cfg)
	if err != nil {
		return nil, err
	}
	sub := &subscription{
		topic:       topic,
		consumer:    consumer,
		unmarshaler: s.cfg.Unmarshaler,
		logger:      s.cfg.Logger,
		out:         make(chan *message.Message),
	}
	if err := s.start(ctx, sub); err != nil {
		return nil, err
	}
	wait, cancel := context.WithTimeout(ctx, subscribeTimeout)
	defer cancel()
	defer context.AfterFunc(s.closing, cancel)()
	consumer.awaitConns(wait)
	return sub.out, nil
}

func (s *Subscriber) start(ctx context.Context, sub *subscription) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing.Err() != nil {
		return ErrClosed
	}
	s.subscriptions[sub] = struct{}{}
	s.running.Go(func() {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		defer context.AfterFunc(s.closing, cancel)()
		sub.run(ctx)
		s.forget(sub)
	})
	return nil
}

func (s *Subscriber) forget(sub *subscription) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.subscriptions, sub)
}

// SubscribeInitialize creates topic and channel on every nsqd, so that NSQ keeps messages that are published before Subscribe. It
// returns an error if any nsqd fails or does not respond within five seconds. nsqd deletes an ephemeral channel again when
// SubscribeInitialize disconnects.
func (s *Subscriber) SubscribeInitialize(topic string) error {
	if !nsq.IsValidTopicName(topic) {
		return fmt.Errorf("%w: %q", ErrTopic, topic)
	}
	ctx, cancel := context.WithTimeout(s.closing, initializeTimeout)
	defer cancel()
	addrs := allNodes(&s.cfg.Cluster).once(ctx)
	if len(addrs) == 0 {
		return ErrNoNSQD
	}
	failures := make(chan error, len(addrs))
	for _, addr := range addrs {
		go func() { failures <- s.initialize(ctx, addr, topic) }()
	}
	var errs []error
	for range addrs {
		errs = append(errs, <-failures)
	}
	return errors.Join(errs...)
}

// initialize subscribes at one nsqd and disconnects, which creates topic and channel there. Unlike a request to create them, it does
// not need nsqd's HTTP address.
func (s *Subscriber) initialize(ctx context.Context, addr, topic string) error {
	err := subscribeOnce(ctx, addr, topic, &s.cfg.ConsumerConfig)
	if err != nil {
		return fmt.Errorf("nsqpubsub: initialize %s: %w", addr, err)
	}
	return nil
}

func subscribeOnce(ctx context.Context, addr, topic string, cfg *ConsumerConfig) error {
	conf, err := cfg.connection(cfg.HeartbeatInterval, cfg.ReadTimeout)
	if err != nil {
		return err
	}
	conn, err := newDialer(addr, conf, cfg.Logger).connect(ctx, nsq.Subscribe(topic, cfg.Channel))
	if err != nil {
		return err
	}
	conn.close()
	return nil
}

// Nodes returns the state of each connection of the running subscriptions, sorted by topic and address of the nsqd.
func (s *Subscriber) Nodes() []ConsumerNode {
	var nodes []ConsumerNode
	s.mu.Lock()
	for sub := range s.subscriptions {
		nodes = append(nodes, sub.consumer.Nodes()...)
	}
	s.mu.Unlock()
	slices.SortFunc(nodes, func(a, b ConsumerNode) int {
		return cmp.Or(strings.Compare(a.Topic, b.Topic), strings.Compare(a.Address, b.Address))
	})
	return nodes
}

// Reached reports whether a running subscription was connected to the nsqd at some time since that nsqd became known.
func (s *Subscriber) Reached(nsqd string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for sub := range s.subscriptions {
		if sub.consumer.Reached(nsqd) {
			return true
		}
	}
	return false
}

// Lookups returns the state of each nsqlookupd, or nil if no subscription is running.
func (s *Subscriber) Lookups() []LookupState {
	s.mu.Lock()
	defer s.mu.Unlock()
	for sub := range s.subscriptions {
		return sub.consumer.Lookups() // all subscriptions query the same nsqlookupd
	}
	return nil
}

// Reconnect calls Consumer.Reconnect for each running subscription.
func (s *Subscriber) Reconnect(nsqd string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for sub := range s.subscriptions {
		sub.consumer.Reconnect(nsqd)
	}
}

// Close ends all subscriptions and returns when their channels are closed. It does not wait for acks or for readers of the
// channels: messages that are not acked are delivered again. Further calls wait as well.
func (s *Subscriber) Close() error {
	s.mu.Lock()
	s.close()
	s.mu.Unlock()
	s.running.Wait()
	return nil
}

// subscription passes the messages of one Consumer to the channel that Subscribe has returned.
type subscription struct {
	topic       string
	consumer    *Consumer
	unmarshaler Unmarshaler
	logger      watermill.LoggerAdapter
	out         chan *message.Message
}

func (s *subscription) run(ctx context.Context) {
	defer close(s.out)
	if err := s.consumer.RunBatches(ctx, s.deliver); err != nil {
		s.logger.Error("subscription ended", err, watermill.LogFields{"topic": s.topic})
	}
}

var errNacked = errors.New("nsqpubsub: nacked")

// deliver sends one Watermill message for the batch to the channel s.out. It returns when the message is acked or nacked, or when ctx
// ends.
func (s *subscription) deliver(ctx context.Context, batch []Delivery) error {
	msg, err := s.unmarshaler.Unmarshal(s.topic, &batch[0])
	if err != nil {
		s.logger.Error("message dropped", err, watermill.LogFields{"topic": s.topic, "nsqd": batch[0].NSQD})
		return nil // no error, so that the message is not delivered again: the Unmarshaler would fail again
	}
	mc := &messageContext{Context: ctx, batch: batch, done: make(chan struct{})}
	defer close(mc.done)
	msg.SetContext(mc)

	select {
	case s.out <- msg:
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case <-msg.Acked():
		return nil
	case <-msg.Nacked():
		return errNacked
	case <-ctx.Done():
	}
	select {
	case <-msg.Acked():
		return nil
	default:
		return ctx.Err()
	}
}
