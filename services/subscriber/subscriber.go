package subscriber

import (
	"context"
	"errors"

	"rollcall/events"
	"rollcall/pipeline/nsqpubsub"
)

// Handler handles an event and returns when ctx ends. Its error is reported nowhere but has NSQ deliver the
// event again after Config.RetryDelay, for ever; events that come meanwhile are handled before. So return nil for
// what no retry can repair. What takes longer than nsqd's message timeout (a minute), divided by the number of
// nsqd, is delivered again although it is being handled, and folded if it succeeded.
type Handler func(ctx context.Context, e events.Event) error

// Subscriber receives lifecycle events.
type Subscriber struct {
	cfg      Config
	consumer *nsqpubsub.Consumer
}

// New starts nothing. The error is that of cfg.Validate.
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

// Run calls h with each event until ctx ends, and then returns nil once h and every goroutine of Run have. An
// event that h did not finish is delivered again, to another process of the channel or the next one. A broker that
// cannot be reached is no error: Run goes on trying, and Nodes tells. Run can be called once.
func (s *Subscriber) Run(ctx context.Context, h Handler) error {
	if h == nil {
		return errors.New("subscriber: no handler")
	}
	l := newLoop(s.cfg, h)
	ended := make(chan error, 1)
	go func() { ended <- s.consumer.Run(ctx, l.deliver) }()
	return l.run(ctx, ended)
}

// Nodes returns the nsqd known and whether each is connected, sorted by address.
func (s *Subscriber) Nodes() []nsqpubsub.ConsumerNode { return s.consumer.Nodes() }
