package stages

import (
	"context"
	"time"

	"rollcall/events"
	"rollcall/pipeline"
)

// Registry is the part of the registry that the stages use.
type Registry interface {
	// Observe takes ownership of h. h is a valid heartbeat, or a canary of which only the type has been checked.
	Observe(ctx context.Context, h *events.Heartbeat, r events.Receipt) error
	// Tick tells the registry the time and the addresses of all known nsqd. It returns after the registry has checked every lease.
	Tick(ctx context.Context, now time.Time, nsqd []string) error
}

// Heartbeats returns the stages for messages from the heartbeat topic. The second stage ends the processing of canaries.
// Heartbeats sets canary.Registry to r.
func Heartbeats(r Registry, decode Decode, canary Canary, validate Validate) pipeline.Chain {
	canary.Registry = r
	seen := NewSeen()
	return pipeline.Chain{
		{Name: "decode", Stage: decode},
		{Name: "canary", Stage: canary},
		{Name: "validate", Stage: validate},
		{Name: "age", Stage: Age{r}},
		{Name: "dedupe", Stage: Dedupe{seen}},
		{Name: "register", Stage: Register{r}},
		{Name: "remember", Stage: Remember{seen}},
	}
}

// Ticks returns the stages for the messages of a pipeline.Ticker. The function nsqd returns the addresses of all known nsqd.
func Ticks(r Registry, nsqd func() []string) pipeline.Chain {
	return pipeline.Chain{
		{Name: "expire", Stage: Expire{r, nsqd}},
	}
}
