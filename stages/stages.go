package stages

import (
	"context"
	"time"

	"rollcall/events"
	"rollcall/pipeline"
)

// Registry is what the stages need of it.
type Registry interface {
	// Observe takes over a checked heartbeat.
	Observe(ctx context.Context, h *events.Heartbeat, r events.Receipt) error
	// Tick tells the time and returns when every lease is judged by it.
	Tick(ctx context.Context, now time.Time) error
}

// Heartbeats is the way of a heartbeat.
func Heartbeats(cfg Config, r Registry) pipeline.Chain {
	cfg.setDefaults()
	seen := NewSeen()
	return pipeline.Chain{
		{Name: "decode", Stage: Decode{}},
		{Name: "validate", Stage: Validate{cfg}},
		{Name: "age", Stage: Age{}},
		{Name: "dedupe", Stage: Dedupe{seen}},
		{Name: "register", Stage: Register{r}},
		{Name: "remember", Stage: Remember{seen}},
	}
}

// Ticks is the way of a tick. hearing reports whether heartbeats can arrive at all.
func Ticks(hearing func() bool, r Registry) pipeline.Chain {
	return pipeline.Chain{
		{Name: "await", Stage: &Await{Hearing: hearing}},
		{Name: "expire", Stage: Expire{r}},
	}
}
