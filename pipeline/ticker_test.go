package pipeline_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"rollcall/pipeline"
)

func TestTicker(t *testing.T) {
	const s = time.Second
	for _, tt := range []struct {
		name string
		work []time.Duration // how long the handler works for each tick
		want []time.Duration // times of the ticks
	}{
		{"one tick each interval", []time.Duration{0, 0, 0}, []time.Duration{1 * s, 2 * s, 3 * s}},
		{"no delay by work shorter than the interval", []time.Duration{s / 2, s / 2, 0}, []time.Duration{1 * s, 2 * s, 3 * s}},
		{"one of several missed ticks follows at once", []time.Duration{7 * s / 2, 0, 0}, []time.Duration{1 * s, 9 * s / 2, 5 * s}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ticker, start := pipeline.NewTicker(s), time.Now()
				out := mustSubscribe(t, t.Context(), ticker)
				var got []time.Duration
				for i, work := range tt.work {
					msg := <-out
					got = append(got, time.Since(start))
					if len(msg.Payload) != 0 {
						t.Errorf("tick with payload %q", msg.Payload)
					}
					time.Sleep(work)
					if i%2 == 0 { // acks and nacks have the same effect
						msg.Ack()
					} else {
						msg.Nack()
					}
				}
				if !slices.Equal(got, tt.want) {
					t.Errorf("ticks at %v, want %v", got, tt.want)
				}
				mustClose(t, ticker)
			})
		})
	}
}
