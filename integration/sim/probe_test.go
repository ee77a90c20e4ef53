package sim

import (
	"context"
	"math/rand/v2"
	"time"

	"rollcall/services/registry"
)

// Responses to probes arrive between the steps of the world, so that they never race with a step.
const (
	responseTime    = 20 * time.Millisecond  // longest time until a running server responds
	probeTimeout    = 500 * time.Millisecond // time after which a probe gives up
	probeRetryDelay = 250 * time.Millisecond // how long a probe waits after a refused connection, before it tries again
)

// probe simulates a probe. Its random numbers depend only on the server and the time, not on the order of the prober's goroutines.
func (a *apiServer) probe(ctx context.Context, p registry.Probe) registry.Finding {
	s := a.w.byKey[p.Service+"/"+p.ID]
	began := time.Now()
	dice := rand.New(rand.NewPCG(a.w.seed<<16|uint64(s.index), uint64(began.Sub(a.w.start))))
	finding := a.call(s, p, dice)
	if a.gate.Load() == nil {
		return finding
	}
	// The process is paused. If the response and the timeout are both due when it resumes, the probe ends with either of them, at random.
	if !a.awaitRunning(ctx) || time.Since(began) > probeTimeout && dice.IntN(2) == 0 {
		return registry.FindingSilent
	}
	return finding
}

func (a *apiServer) call(s *dataServer, p registry.Probe, dice *rand.Rand) registry.Finding {
	delay := time.Millisecond + time.Duration(dice.Int64N(int64(responseTime-2*time.Millisecond))) + 1
	time.Sleep(delay)
	silent := func() registry.Finding {
		time.Sleep(probeTimeout - delay - time.Duration(1+dice.IntN(1000)))
		return registry.FindingSilent
	}
	if a.disconnected.Load() {
		if dice.IntN(2) == 0 {
			return registry.FindingUnknown
		}
		return silent()
	}
	if dice.Float64() < a.w.network.probeLoss {
		return silent()
	}
	for i := range 2 {
		if i > 0 {
			time.Sleep(probeRetryDelay)
		}
		there := a.w.byAddr[p.Addr]
		switch fate(occupant(there, s).fate.Load()) {
		case running:
			return findingAt(there, p)
		case vanished, paused:
			return silent()
		}
	}
	return registry.FindingRefused
}

// awaitRunning waits until the process is not paused. It returns false if ctx ends before that.
func (a *apiServer) awaitRunning(ctx context.Context) bool {
	for gate := a.gate.Load(); gate != nil; gate = a.gate.Load() {
		select {
		case <-*gate:
		case <-ctx.Done():
			return false
		}
	}
	return true
}

// Probes returns the channel from which the prober receives the registry's probes.
func (a *apiServer) Probes() <-chan registry.Probe { return a.registry.Probes() }

// Report passes the evidence of the prober to the registry. It waits while the process is paused, and converts the times to the clock of
// the process.
func (a *apiServer) Report(ctx context.Context, e registry.Evidence) error {
	if !a.awaitRunning(ctx) {
		return ctx.Err()
	}
	e.Began, e.Ended = a.at(e.Began), a.at(e.Ended)
	return a.registry.Report(ctx, e)
}
