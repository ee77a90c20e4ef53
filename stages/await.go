package stages

import (
	"context"
	"fmt"
	"sync/atomic"

	"rollcall/pipeline"
)

// Await drops ticks until heartbeats can arrive for the first time, so that the registry's time, and with it its
// warm-up, begins then and not when the process does.
type Await struct {
	Hearing func() bool
	heard   atomic.Bool
}

func (a *Await) Process(context.Context, *pipeline.Envelope) error {
	if a.heard.Load() {
		return nil
	}
	if !a.Hearing() {
		return fmt.Errorf("nothing is heard yet: %w", pipeline.ErrDrop)
	}
	a.heard.Store(true)
	return nil
}
