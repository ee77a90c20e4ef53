package prober_test

import (
	"testing"

	"rollcall/integration/fixture"
	"rollcall/services/prober"
	"rollcall/services/registry"
)

func TestAConnectionThatIsNotAnswered(t *testing.T) {
	addr := fixture.BlackHole(t)
	checkFinding(t, prober.ModeHTTP, addr, registry.FindingSilent)
	checkFinding(t, prober.ModeTCP, addr, registry.FindingSilent)
}
