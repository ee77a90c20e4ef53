package pipeline

import (
	"context"
	"errors"
	"sync"

	"github.com/ThreeDotsLabs/watermill/message"
)

// ErrClosed is the error of Subscribe after Close.
var ErrClosed = errors.New("pipeline: subscriber closed")

// localSubscriber is the part of a Watermill subscriber that Ticker and Source share: goroutines that end when their context ends or
// Close is called. Close waits for the goroutines.
type localSubscriber struct {
	mu      sync.Mutex
	running sync.WaitGroup // counts the goroutines; Add is called only while mu is held and closed is false
	cancels []context.CancelFunc
	closed  bool
}

// start runs the function produce in a goroutine, and returns the channel to which produce sends its messages. It closes the channel when
// produce returns.
func (s *localSubscriber) start(ctx context.Context, produce func(ctx context.Context, out chan<- *message.Message)) (<-chan *message.Message, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, ErrClosed
	}
	out := make(chan *message.Message)
	ctx, cancel := context.WithCancel(ctx)
	s.cancels = append(s.cancels, cancel)
	s.running.Go(func() {
		defer close(out)
		defer cancel()
		produce(ctx, out)
	})
	return out, nil
}

// Close ends every subscription and waits until their channels are closed. It is idempotent.
func (s *localSubscriber) Close() error {
	s.mu.Lock()
	s.closed = true
	for _, cancel := range s.cancels {
		cancel()
	}
	s.mu.Unlock()
	s.running.Wait()
	return nil
}

// deliver sends one message and waits for its ack or nack. It reports whether the message was acked.
func deliver(ctx context.Context, out chan<- *message.Message, id string, payload []byte) bool {
	ctx, cancel := context.WithCancel(ctx) // the context of a message ends after the ack or nack, as Watermill's handlers expect
	defer cancel()
	msg := message.NewMessageWithContext(ctx, id, payload)
	select {
	case out <- msg:
	case <-ctx.Done():
		return false
	}
	select {
	case <-msg.Acked():
	case <-msg.Nacked():
	case <-ctx.Done():
	}
	select { // look for the ack again: if the context has ended too, the select above can choose the context
	case <-msg.Acked():
		return true
	default:
		return false
	}
}
