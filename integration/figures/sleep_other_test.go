//go:build !linux

package figures

import (
	"time"

	"rollcall/integration/fixture"
)

// sleepUntil sleeps until t.
func sleepUntil(t time.Time) { fixture.Sleep(time.Until(t)) }
