package nsqpubsub

import (
	"context"
	"time"
)

// Delivery is a message that nsqd has delivered.
type Delivery struct {
	ID        [16]byte  // nsqd's message ID in ASCII, equal for all deliveries of a message
	Body      []byte    // belongs to the handler, which may keep it; no other Delivery uses its memory
	Timestamp time.Time // when nsqd received the message, by its clock
	Attempts  uint16    // number of deliveries, including this one
	NSQD      string    // TCP address of the nsqd that has delivered the message

	retry bool
}

// Retry makes nsqd deliver this message again, even if the handler returns nil for the batch that contains it.
func (d *Delivery) Retry() { d.retry = true }

// messageContext is the context of one Watermill message: the context of the subscription, and in addition the NSQ messages that the
// Watermill message represents. The goroutine that waits for the ack of the message ends the context by closing the channel "done". A
// context.WithCancel for each message would be slower, because all these contexts would share one locked map in the context of the
// subscription.
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

// BatchFromContext returns the NSQ messages that a Watermill message from Subscriber represents, between one and ConsumerConfig.Batch.
// ctx is the context of the message or is derived from that context; for other contexts the result is empty. Retry may be called on
// elements of the result until the Watermill message is acked; nothing else in the result may be changed.
func BatchFromContext(ctx context.Context) []Delivery {
	batch, _ := ctx.Value(deliveryKey{}).([]Delivery)
	return batch
}
