package pipeline

import (
	"context"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
)

// Ticker is a Watermill subscriber that delivers an empty message each interval. The next one waits
// until the last is acked or nacked: ticks never overlap, and those that are late are left out.
type Ticker struct {
	interval time.Duration
	feed
}

// NewTicker starts nothing; Subscribe does. The interval must be positive.
func NewTicker(interval time.Duration) *Ticker { return &Ticker{interval: interval} }

// Subscribe ticks until ctx ends or Close. The topic is ignored.
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
