package pipeline

import (
	"context"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"go.uber.org/zap"
)

// sourceRetry is the pause before a message that could not be published is tried again.
const sourceRetry = 250 * time.Millisecond

// Source is a Watermill subscriber over a Go channel: in order, one message in flight, each one sent
// again until it is acked. So while no broker can be reached the channel is not read, and its other end
// keeps what there is.
type Source[T any] struct {
	ID func(T) string // the id of a value's message, for logs; nil: none. Not to be changed after Subscribe

	from   <-chan T
	encode func(T) ([]byte, error)
	log    *zap.Logger
	feed
	unacked []T
}

// NewSource starts nothing; Subscribe does, once. A value that encode refuses is logged and left out.
func NewSource[T any](from <-chan T, encode func(T) ([]byte, error), log *zap.Logger) *Source[T] {
	return &Source[T]{from: from, encode: encode, log: log}
}

// Subscribe delivers until ctx ends, from is closed, or Close. The topic is ignored.
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

// send reports false when ctx ended before the message was acked.
func (s *Source[T]) send(ctx context.Context, out chan<- *message.Message, v T) bool {
	payload, err := s.encode(v)
	if err != nil {
		s.log.Error("message cannot be encoded and is left out", zap.Error(err))
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

// Unacked is what was taken from the channel but not acked. Call it after Close.
func (s *Source[T]) Unacked() []T { return s.unacked }
