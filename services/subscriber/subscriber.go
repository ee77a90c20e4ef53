package subscriber

import (
	"context"
	"errors"

	"rollcall/events"
	"rollcall/pipeline/nsqpubsub"
)

// Handler handles an event. It must return when ctx ends. If it returns an error, NSQ delivers the event again after
// Config.RetryDelay, without a limit of attempts; later events are handled in the meantime. The error is not reported anywhere
// else. Return nil for an event that no retry can help. If a handler takes longer than nsqd's message timeout (one minute)
// divided by the number of nsqd, NSQ delivers the event again while the handler runs; that duplicate is dropped if the
// handler succeeds.
type Handler func(ctx context.Context, e events.Event) error

// Subscriber receives lifecycle events.
type Subscriber struct {
	cfg      Config
	consumer *nsqpubsub.Consumer
}

// New returns a Subscriber and starts nothing. It fails if cfg is invalid.
func New(cfg Config) (*Subscriber, error) {
	cfg.setDefaults()
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	consumer, err := nsqpubsub.NewConsumer(cfg.consumer())
	if err != nil {
		return nil, err
	}
	return &Subscriber{cfg, consumer}, nil
}

// Run calls h with each event until ctx ends. It returns nil after h and all goroutines of Run have returned. NSQ delivers an
// event that h did not complete again, to a current or a future process of the channel. Run keeps trying to reach brokers
// that are unreachable; Nodes shows their state. Run can be called once.
func (s *Subscriber) Run(ctx context.Context, h Handler) error {
	if h == nil {
		return errors.New("subscriber: no handler")
	}
	l := newLoop(s.cfg, h)
	ended := make(chan error, 1)
	go func() { ended <- s.consumer.Run(ctx, l.deliver) }()
	return l.run(ctx, ended)
}

// Nodes returns the known nsqd, sorted by address, and whether each is connected.
func (s *Subscriber) Nodes() []nsqpubsub.ConsumerNode { return s.consumer.Nodes() }
