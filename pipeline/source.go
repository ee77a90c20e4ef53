package pipeline

import (
	"context"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"go.uber.org/zap"
)

// sourceRetry is the pause before a message that was not acked is delivered again.
const sourceRetry = 250 * time.Millisecond

// Source is a Watermill subscriber for the values of a Go channel. It delivers the values in order, one at a time, and repeats each
// value until the value is acked. It receives the next value from the channel only then: while no nsqd can be reached, the other values
// stay in the channel.
type Source[T any] struct {
	ID func(T) string // returns the message id of a value, for logs; may be nil. Do not change it after Subscribe

	from   <-chan T
	encode func(T) ([]byte, error)
	log    *zap.Logger
	localSubscriber
	unacked []T
}

// NewSource starts nothing; call Subscribe once. A value for which encode returns an error is logged and skipped.
func NewSource[T any](from <-chan T, encode func(T) ([]byte, error), log *zap.Logger) *Source[T] {
	return &Source[T]{from: from, encode: encode, log: log}
}

// Subscribe delivers values until ctx ends, the Go channel is closed, or Close is called. The topic is ignored.
func (s *Source[T]) Subscribe(ctx context.Context, _ string) (<-chan *message.Message, error) {
	return s.start(ctx, func(ctx context.Context, out chan<- *message.Message) {
		for {
			select {
			case v, open := <-s.from:
				if !open || !s.send(ctx, out, v) {
					return
				}
			case <-ctx.Done():
				return
			}
		}
	})
}

// send delivers v repeatedly until v is acked. It reports false if ctx ends first.
func (s *Source[T]) send(ctx context.Context, out chan<- *message.Message, v T) bool {
	payload, err := s.encode(v)
	if err != nil {
		s.log.Error("message cannot be encoded and is skipped", zap.Error(err))
		return true
	}
	id := ""
	if s.ID != nil {
		id = s.ID(v)
	}
	for !deliver(ctx, out, id, payload) {
		select {
		case <-time.After(sourceRetry):
		case <-ctx.Done():
			s.unacked = append(s.unacked, v)
			return false
		}
	}
	return true
}

// Unacked returns the values that were received from the channel but not acked. Call it after Close.
func (s *Source[T]) Unacked() []T { return s.unacked }
