package pipeline

import (
	"context"
	"fmt"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"go.uber.org/zap"
)

// closeTimeout bounds how long Run waits for the messages in flight.
const closeTimeout = 5 * time.Second

// Router is the Watermill router with what all its handlers share. Add the handlers, each with a name of its own, then Run
// it once.
type Router struct {
	router     *message.Router
	metrics    *Metrics
	quarantine *Quarantine
	skew       *Skew
	log        *zap.Logger
}

// NewRouter starts nothing. Receipts tell the delay by skew.
func NewRouter(m *Metrics, q *Quarantine, skew *Skew, log *zap.Logger) (*Router, error) {
	r, err := message.NewRouter(message.RouterConfig{CloseTimeout: closeTimeout}, routerLogger(log))
	if err != nil {
		return nil, fmt.Errorf("pipeline: router: %w", err)
	}
	return &Router{router: r, metrics: m, quarantine: q, skew: skew, log: log}, nil
}

// Consume runs each message of the topic through the chain. As many run at once as from has in flight.
func (r *Router) Consume(name, topic string, from message.Subscriber, chain Chain) {
	r.router.AddConsumerHandler(name, topic, from, newLine(chain, r.metrics, r.quarantine, r.skew, r.log).handle)
}

// Produce publishes each message of from to the topic, through the Outlet that it returns. It leaves to open: the caller
// closes it after Run, because other handlers and a last flush need it.
func (r *Router) Produce(name string, from message.Subscriber, topic string, to message.Publisher) *Outlet {
	outlet := newOutlet(name, topic, to, r.metrics, r.log)
	r.router.AddConsumerHandler(name, "", from, func(msg *message.Message) error {
		if outlet.Publish(msg) != nil { // which is logged: an error returned would be logged for each attempt
			msg.Nack()
		}
		return nil
	})
	return outlet
}

// Run moves messages until ctx ends, which ends the subscriptions, or all of them have ended by themselves. Then it waits
// up to five seconds for what is in flight. The error is that of a handler that could not subscribe: the process should
// end, because a goroutine of Watermill's does not.
func (r *Router) Run(ctx context.Context) error {
	if err := r.router.Run(ctx); err != nil {
		return fmt.Errorf("pipeline: run: %w", err)
	}
	return nil
}

// Running is closed once every handler has subscribed.
func (r *Router) Running() <-chan struct{} { return r.router.Running() }
