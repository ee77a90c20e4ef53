package pipeline

import (
	"context"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
)

// Ticker is a Watermill subscriber that delivers an empty message each interval. The next message waits until the last one is
// acked or nacked: ticks never overlap, and missed ticks are skipped.
type Ticker struct {
	interval time.Duration
	localSubscriber
}

// NewTicker starts nothing; call Subscribe. The interval must be positive.
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
