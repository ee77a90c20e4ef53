package pipeline

import (
	"context"
	"fmt"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"go.uber.org/zap"
)

// closeTimeout is how long Run waits for messages in flight after ctx has ended.
const closeTimeout = 5 * time.Second

// Router is a Watermill router with the dependencies that its handlers share. Add handlers with unique names, then call Run
// once.
type Router struct {
	router     *message.Router
	metrics    *Metrics
	quarantine *Quarantine
	skew       *ClockSkew
	log        *zap.Logger
}

// NewRouter starts nothing. The handlers compute Receipt.Delay with skew.
func NewRouter(m *Metrics, q *Quarantine, skew *ClockSkew, log *zap.Logger) (*Router, error) {
	r, err := message.NewRouter(message.RouterConfig{CloseTimeout: closeTimeout}, routerLogger(log))
	if err != nil {
		return nil, fmt.Errorf("pipeline: router: %w", err)
	}
	return &Router{router: r, metrics: m, quarantine: q, skew: skew, log: log}, nil
}

// Consume passes each message of the topic through the chain. It processes messages concurrently, up to the number that its subscriber has
// in flight.
func (r *Router) Consume(name, topic string, from message.Subscriber, chain Chain) {
	r.router.AddConsumerHandler(name, topic, from, newHandler(chain, r.metrics, r.quarantine, r.skew, r.log).handle)
}

// Produce publishes each message that it receives from a subscriber (`from`) to the topic, through the returned TopicPublisher. It
// publishes the messages of a batch from a Source together. The publisher (`to`) stays open after Run, because other handlers can share it and the caller can publish through it.
func (r *Router) Produce(name string, from message.Subscriber, topic string, to message.Publisher) *TopicPublisher {
	p := newTopicPublisher(name, topic, to, r.metrics, r.log)
	r.router.AddConsumerHandler(name, "", from, func(msg *message.Message) error {
		if p.Publish(batchOf(msg)...) != nil { // Publish has logged the error; Watermill would log a returned error at each attempt
			msg.Nack()
		}
		return nil
	})
	return p
}

// Run processes messages until ctx or all subscriptions have ended. Then it waits up to five seconds for messages in flight. It
// returns an error if a handler cannot subscribe; a goroutine of Watermill then leaks, so the process should exit.
func (r *Router) Run(ctx context.Context) error {
	if err := r.router.Run(ctx); err != nil {
		return fmt.Errorf("pipeline: run: %w", err)
	}
	return nil
}

// Running is closed once every handler has subscribed.
func (r *Router) Running() <-chan struct{} { return r.router.Running() }
