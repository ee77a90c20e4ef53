package stages

import (
	"context"
	"time"

	"rollcall/events"
	"rollcall/pipeline"
)

// Registry is what the stages need of it.
type Registry interface {
	// Observe takes over a checked heartbeat, or a canary, which is not checked: only its type and receipt say something.
	Observe(ctx context.Context, h *events.Heartbeat, r events.Receipt) error
	// Tick tells the time, and which nsqd there are, and returns when every lease is judged by it.
	Tick(ctx context.Context, now time.Time, nsqd []string) error
}

// Heartbeats is the way of a heartbeat, and the first steps of it that of a canary.
func Heartbeats(cfg Config, r Registry) pipeline.Chain {
	cfg.setDefaults()
	seen := NewSeen()
	return pipeline.Chain{
		{Name: "decode", Stage: Decode{cfg.Fields}},
		{Name: "canary", Stage: Canary{r, cfg}},
		{Name: "validate", Stage: Validate{cfg}},
		{Name: "age", Stage: Age{r}},
		{Name: "dedupe", Stage: Dedupe{seen}},
		{Name: "register", Stage: Register{r}},
		{Name: "remember", Stage: Remember{seen}},
	}
}

// Ticks is the way of a tick. nsqd tells the addresses of those that there are.
func Ticks(nsqd func() []string, r Registry) pipeline.Chain {
	return pipeline.Chain{
		{Name: "expire", Stage: Expire{r, nsqd}},
	}
}
