package nsqpubsub

import (
	"context"
	"time"
)

// Delivery is a message as nsqd handed it over.
type Delivery struct {
	ID        [16]byte // nsqd's, in ASCII; the same when delivered again
	Body      []byte
	Timestamp time.Time // when nsqd got the message, by its clock
	Attempts  uint16    // deliveries so far, this one included
	NSQD      string    // TCP address of the nsqd it came through

	retry bool
}

// Retry has this message of a batch delivered again, though the handler finishes the batch.
func (d *Delivery) Retry() { d.retry = true }

// messageContext is the context of one message: that of the subscription, with the delivery, and ended
// by the goroutine that waits for the message's ack. A context.WithCancel for each message would put
// them all into one locked map in the subscription's context.
type messageContext struct {
	context.Context
	batch []Delivery
	done  chan struct{}
}

type deliveryKey struct{}

func (c *messageContext) Done() <-chan struct{} { return c.done }

func (c *messageContext) Err() error {
	select {
	case <-c.done:
		return context.Canceled
	default:
		return nil
	}
}

func (c *messageContext) Value(key any) any {
	if key == (deliveryKey{}) {
		return c.batch
	}
	return c.Context.Value(key)
}

// BatchFromContext returns the messages of NSQ that a message that Subscriber emitted stands for, given the
// message's context or one derived from it: one, or up to ConsumerConfig.Batch. Before the message is acked
// Retry may be called on them; nothing else may be changed. It is empty for a context of another kind.
func BatchFromContext(ctx context.Context) []Delivery {
	batch, _ := ctx.Value(deliveryKey{}).([]Delivery)
	return batch
}
