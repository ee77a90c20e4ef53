package sim

import (
	"context"
	"math/rand/v2"
	"time"

	"rollcall/services/registry"
)

// Answers to probes keep off the grid of the world, so that none races with a step of it.
const (
	responseTime    = 20 * time.Millisecond  // a server that runs answers within that
	probeTimeout    = 500 * time.Millisecond // then nothing is an answer too
	probeRetryDelay = 250 * time.Millisecond // after a refusal
)

// probe is the network as the prober meets it. Its dice are thrown by the server and the moment, whatever order the
// prober's goroutines run in.
func (a *apiServer) probe(ctx context.Context, p registry.Probe) registry.Finding {
	s := a.w.byKey[p.Service+"/"+p.ID]
	began := time.Now()
	dice := rand.New(rand.NewPCG(a.w.seed<<16|uint64(s.index), uint64(began.Sub(a.w.start))))
	finding := a.call(s, p, dice)
	if a.gate.Load() == nil {
		return finding
	}
	// The process is stopped. When it goes on, the answer and the end of the time for it may both be there.
	if !a.awaitRunning(ctx) || time.Since(began) > probeTimeout && dice.IntN(2) == 0 {
		return registry.FindingSilent
	}
	return finding
}

func (a *apiServer) call(s *dataServer, p registry.Probe, dice *rand.Rand) registry.Finding {
	answer := time.Millisecond + time.Duration(dice.Int64N(int64(responseTime-2*time.Millisecond))) + 1
	time.Sleep(answer)
	silent := func() registry.Finding {
		time.Sleep(probeTimeout - answer - time.Duration(1+dice.IntN(1000)))
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

// awaitRunning reports whether ctx still holds when the process runs.
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

// Probes and Report are what the prober sees of the registry: nothing while its process is stopped.
func (a *apiServer) Probes() <-chan registry.Probe { return a.registry.Probes() }

func (a *apiServer) Report(ctx context.Context, e registry.Evidence) error {
	if !a.awaitRunning(ctx) {
		return ctx.Err()
	}
	e.Began, e.Ended = a.at(e.Began), a.at(e.Ended)
	return a.registry.Report(ctx, e)
}
