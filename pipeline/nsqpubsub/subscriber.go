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

// SubscriberConfig describes a Subscriber. Topic stays empty: Subscribe names it.
//
// With a Batch above 1 a Watermill message stands for all that BatchFromContext has, because most of what
// Watermill costs is paid for each of its messages. Its UUID and payload are those of the first; its nack has
// all of them delivered again. That goes with Plain only.
type SubscriberConfig struct {
	ConsumerConfig
	Unmarshaler Unmarshaler // default Plain
}

// Subscriber is a message.Subscriber with a Consumer for each subscription, all on one channel.
type Subscriber struct {
	cfg     SubscriberConfig
	closing context.Context
	close   context.CancelFunc
	running sync.WaitGroup // grows under mu and while not closing

	mu            sync.Mutex
	subscriptions map[*subscription]struct{}
}

var (
	_ message.Subscriber           = (*Subscriber)(nil)
	_ message.SubscribeInitializer = (*Subscriber)(nil)
)

// NewSubscriber starts nothing.
func NewSubscriber(cfg SubscriberConfig) (*Subscriber, error) {
	cfg.setDefaults()
	if cfg.Topic != "" {
		return nil, errors.New("nsqpubsub: Topic: Subscribe names it")
	}
	if err := cfg.validateAnyTopic(); err != nil {
		return nil, err
	}
	if cfg.Unmarshaler == nil {
		cfg.Unmarshaler = Plain{}
	}
	if _, ok := cfg.Unmarshaler.(Plain); !ok && cfg.Batch > 1 {
		return nil, errors.New("nsqpubsub: Batch: above 1 with an Unmarshaler other than Plain")
	}
	s := &Subscriber{cfg: cfg, subscriptions: make(map[*subscription]struct{})}
	s.closing, s.close = context.WithCancel(context.Background())
	return s, nil
}

// Subscribe returns once each nsqd known has been subscribed to or has failed, at most after a second,
// and goes on connecting to those that come later. The channel is not buffered. It is closed after ctx
// ends or Close is called, when every message handed out is acked, nacked or given back to nsqd.
//
// A message's context is ctx with BatchFromContext; it ends when the message is acked or nacked and
// when the subscription ends.
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
	consumer.awaitLinks(wait)
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

// SubscribeInitialize creates topic and channel on every nsqd that nsqlookupd names or that is static, so
// that what is published before Subscribe is kept for it. It fails if one of them does, at the latest
// after five seconds. A channel that is ephemeral is gone again when it returns.
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

// initialize subscribes and leaves, which creates topic and channel and needs no HTTP address of nsqd.
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
	answers := make(chan error, 1)
	s := newSession(func(*nsq.Message) {}, func(err error) {
		select {
		case answers <- err:
		default:
		}
	})
	conn, err := newGreeter(addr, conf, cfg.Logger).connect(ctx, s)
	if err != nil {
		return err
	}
	defer func() { <-s.closed }()
	defer conn.Close()
	if err := conn.WriteCommand(nsq.Subscribe(topic, cfg.Channel)); err != nil {
		return err
	}
	select {
	case err := <-answers:
		return err
	case err := <-s.lost:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Nodes returns the nsqd of each subscription that still runs, sorted by topic and address.
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

// Reached reports whether a subscription that still runs was connected to an nsqd at some time since it became known.
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

// Lookups returns the state of each nsqlookupd as the subscriptions that still run know it.
func (s *Subscriber) Lookups() []LookupState {
	s.mu.Lock()
	defer s.mu.Unlock()
	for sub := range s.subscriptions {
		return sub.consumer.Lookups() // all subscriptions ask the same nsqlookupd
	}
	return nil
}

// Reconnect does what Consumer.Reconnect does, for each subscription that still runs.
func (s *Subscriber) Reconnect(nsqd string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for sub := range s.subscriptions {
		sub.consumer.Reconnect(nsqd)
	}
}

// Close ends all subscriptions and returns when their channels are closed. It waits neither for acks nor
// for readers: what is not acked is delivered again. Further calls wait likewise.
func (s *Subscriber) Close() error {
	s.mu.Lock()
	s.close()
	s.mu.Unlock()
	s.running.Wait()
	return nil
}

// subscription emits what one consumer receives.
type subscription struct {
	topic       string
	consumer    *Consumer
	unmarshaler Unmarshaler
	logger      watermill.LoggerAdapter
	out         chan *message.Message
}

func (s *subscription) run(ctx context.Context) {
	defer close(s.out)
	if err := s.consumer.RunBatches(ctx, s.emit); err != nil {
		s.logger.Error("subscription ended", err, watermill.LogFields{"topic": s.topic})
	}
}

var errNacked = errors.New("nsqpubsub: nacked")

// emit hands a message out and returns when it is acked, nacked or ctx ends.
func (s *subscription) emit(ctx context.Context, batch []Delivery) error {
	msg, err := s.unmarshaler.Unmarshal(s.topic, &batch[0])
	if err != nil {
		s.logger.Error("message dropped", err, watermill.LogFields{"topic": s.topic, "nsqd": batch[0].NSQD})
		return nil // it would be as bad when delivered again
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
