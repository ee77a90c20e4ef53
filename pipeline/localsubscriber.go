package pipeline

import (
	"context"
	"errors"
	"sync"

	"github.com/ThreeDotsLabs/watermill/message"
)

// ErrClosed is returned by Subscribe after Close.
var ErrClosed = errors.New("pipeline: subscriber closed")

// feed is the half of a Watermill subscriber that Ticker and Source share: goroutines that end with
// their context or with Close, which waits for them.
type feed struct {
	mu      sync.Mutex
	running sync.WaitGroup // grows under mu and while not closed
	cancels []context.CancelFunc
	closed  bool
}

// start runs produce in a goroutine and closes its channel at the end.
func (f *feed) start(ctx context.Context, produce func(ctx context.Context, out chan<- *message.Message)) (<-chan *message.Message, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return nil, ErrClosed
	}
	out := make(chan *message.Message)
	ctx, cancel := context.WithCancel(ctx)
	f.cancels = append(f.cancels, cancel)
	f.running.Go(func() {
		defer close(out)
		defer cancel()
		produce(ctx, out)
	})
	return out, nil
}

// Close ends every subscription and waits until their channels are closed. It is idempotent.
func (f *feed) Close() error {
	f.mu.Lock()
	f.closed = true
	for _, cancel := range f.cancels {
		cancel()
	}
	f.mu.Unlock()
	f.running.Wait()
	return nil
}

// deliver sends one message and waits for its fate. It reports whether it was acked.
func deliver(ctx context.Context, out chan<- *message.Message, id string, payload []byte) bool {
	ctx, cancel := context.WithCancel(ctx) // ends with the message, as Watermill promises its handlers
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
	select { // once more: of two that are ready select takes any
	case <-msg.Acked():
		return true
	default:
		return false
	}
}
