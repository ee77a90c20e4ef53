package pipeline

import (
	"context"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
)

// Ticker is a Watermill subscriber that delivers an empty message each interval. It delivers a message only after the previous message
// is acked or nacked, so ticks never overlap. If several ticks pass meanwhile, it delivers one message for all of them.
type Ticker struct {
	interval time.Duration
	localSubscriber
}

// NewTicker starts nothing; call Subscribe. The interval must be positive.
func NewTicker(interval time.Duration) *Ticker { return &Ticker{interval: interval} }

// Subscribe ticks until ctx ends or Close is called. The topic is ignored.
func (t *Ticker) Subscribe(ctx context.Context, _ string) (<-chan *message.Message, error) {
	return t.start(ctx, func(ctx context.Context, out chan<- *message.Message) {
		ticks := time.NewTicker(t.interval)
		defer ticks.Stop()
		for {
			select {
			case <-ticks.C:
				deliver(ctx, out, "", nil)
			case <-ctx.Done():
				return
			}
		}
	})
}
