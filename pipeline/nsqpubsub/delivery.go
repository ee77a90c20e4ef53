package nsqpubsub

import (
	"context"
	"time"
)

// Delivery is a message that nsqd has delivered.
type Delivery struct {
	ID        [16]byte // nsqd's message ID in ASCII, equal for all deliveries of a message
	Body      []byte
	Timestamp time.Time // when nsqd received the message, by its clock
	Attempts  uint16    // number of deliveries, including this one
	NSQD      string    // TCP address of the nsqd it came through

	retry bool
}

// Retry requests that this message of a batch is delivered again, even if the handler returns nil for the batch.
func (d *Delivery) Retry() { d.retry = true }

// messageContext is the context of one message: the subscription's context with the deliveries. The goroutine that waits for
// the message's ack ends it. A context.WithCancel for each message would be slower: all of them would share one locked map
// in the subscription's context.
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

// BatchFromContext returns the NSQ messages behind a Watermill message from Subscriber: one, or up to ConsumerConfig.Batch. Ctx
// is the message's context or derived from it; for other contexts the result is empty. Retry may be called on the result
// until the message is acked; nothing else in it may be changed.
func BatchFromContext(ctx context.Context) []Delivery {
	batch, _ := ctx.Value(deliveryKey{}).([]Delivery)
	return batch
}
