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
	NSQD      string    // TCP address of the nsqd that has delivered the message

	retry bool
}

// Retry requests that this message of a batch is delivered again, even if the handler returns nil for the batch.
func (d *Delivery) Retry() { d.retry = true }

// messageContext is the context of one Watermill message: the context of the subscription, with the deliveries behind the message as a
// value. The goroutine that waits for the ack of the message ends the context by closing done. A context.WithCancel for each message
// would be slower, because all these contexts would share one locked map in the context of the subscription.
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

// BatchFromContext returns the NSQ messages behind a Watermill message from Subscriber: at least one and at most ConsumerConfig.Batch.
// ctx is the context of the message or is derived from that context; for other contexts the result is empty. Retry may be called on the
// result until the message is acked; nothing else in it may be changed.
func BatchFromContext(ctx context.Context) []Delivery {
	batch, _ := ctx.Value(deliveryKey{}).([]Delivery)
	return batch
}
