package pipeline

import (
	"context"
	"fmt"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"go.uber.org/zap"
)

// sourceRetry is the pause before a batch that was not acked is delivered again.
const sourceRetry = 250 * time.Millisecond

// Source is a Watermill subscriber for the values of a Go channel, which delivers them in batches. Source makes one message for each value,
// and one Watermill message for each batch; Router.Produce publishes the messages of a batch together. Source delivers the batches in
// order, one at a time, and repeats each batch until it is acked. It receives the next batch from the channel only then: while no nsqd can
// be reached, the other values stay where the channel gets them from.
type Source[T any] struct {
	ID func(T) string // returns the message id of a value, for logs; may be nil. Do not change it after Subscribe

	from   <-chan []T
	encode func(T) ([]byte, error)
	log    *zap.Logger
	localSubscriber
	unacked []T
}

// NewSource starts nothing; call Subscribe once. A value for which encode returns an error is logged and skipped.
func NewSource[T any](from <-chan []T, encode func(T) ([]byte, error), log *zap.Logger) *Source[T] {
	return &Source[T]{from: from, encode: encode, log: log}
}

// Subscribe delivers values until ctx ends, the Go channel is closed, or Close is called. The topic is ignored.
func (s *Source[T]) Subscribe(ctx context.Context, _ string) (<-chan *message.Message, error) {
	return s.start(ctx, func(ctx context.Context, out chan<- *message.Message) {
		for {
			select {
			case values, open := <-s.from:
				if !open || !s.send(ctx, out, values) {
					return
				}
			case <-ctx.Done():
				return
			}
		}
	})
}

// send delivers a batch repeatedly until it is acked. It reports false if ctx ends first.
func (s *Source[T]) send(ctx context.Context, out chan<- *message.Message, values []T) bool {
	messages, errs := s.messages(values)
	for _, err := range errs {
		s.log.Error("message cannot be encoded and is skipped", zap.Error(err))
	}
	for len(messages) > 0 && !deliverBatch(ctx, out, messages) {
		select {
		case <-time.After(sourceRetry):
		case <-ctx.Done():
			s.unacked = append(s.unacked, values...)
			return false
		}
	}
	return true
}

// messages encodes the values and returns one message for each. It returns an error for each value that cannot be encoded.
func (s *Source[T]) messages(values []T) (messages []*message.Message, errs []error) {
	for _, v := range values {
		id := ""
		if s.ID != nil {
			id = s.ID(v)
		}
		body, err := s.encode(v)
		if err != nil {
			errs = append(errs, fmt.Errorf("message %s: %w", id, err))
			continue
		}
		messages = append(messages, message.NewMessage(id, body))
	}
	return messages, errs
}

// Unacked returns the values that were received from the channel but not acked. Call it after Close.
func (s *Source[T]) Unacked() []T { return s.unacked }

type batchKey struct{}

// deliverBatch delivers the messages as one Watermill message and waits for its ack or nack. It reports whether the batch was acked.
// UUID and payload are those of the first message.
func deliverBatch(ctx context.Context, out chan<- *message.Message, batch []*message.Message) bool {
	ctx, cancel := context.WithCancel(ctx) // the context of a message ends after the ack or nack, as Watermill's handlers expect
	defer cancel()
	for _, msg := range batch {
		msg.SetContext(ctx)
	}
	return deliver(context.WithValue(ctx, batchKey{}, batch), out, batch[0].UUID, batch[0].Payload)
}

// batchOf returns the messages that a Watermill message represents. A message that is not from a Source represents itself.
func batchOf(msg *message.Message) []*message.Message {
	if batch, ok := msg.Context().Value(batchKey{}).([]*message.Message); ok {
		return batch
	}
	return []*message.Message{msg}
}
