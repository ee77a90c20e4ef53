package integration

import (
	"context"
	"math/rand/v2"
	"time"

	"rollcall/services/registry"
)

// Answers to probes keep off the grid of the world, so that none races with a step of it.
const (
	simAnswerIn     = 20 * time.Millisecond  // a server that runs answers within that
	simProbeTimeout = 500 * time.Millisecond // then nothing is an answer too
	simAskAgain     = 250 * time.Millisecond // after a refusal
)

// ask is the network as the prober meets it. Its dice are thrown by the server and the moment, whatever order the
// prober's goroutines run in.
func (a *simAPI) ask(ctx context.Context, p registry.Probe) registry.Finding {
	s := a.w.byKey[p.Service+"/"+p.ID]
	began := time.Now()
	dice := rand.New(rand.NewPCG(a.w.seed<<16|uint64(s.index), uint64(began.Sub(a.w.start))))
	finding := a.call(s, p, dice)
	if a.gate.Load() == nil {
		return finding
	}
	// The process is stopped. When it goes on, the answer and the end of the time for it may both be there.
	if !a.awaitRunning(ctx) || time.Since(began) > simProbeTimeout && dice.IntN(2) == 0 {
		return registry.FindingSilent
	}
	return finding
}

func (a *simAPI) call(s *simServer, p registry.Probe, dice *rand.Rand) registry.Finding {
	answer := time.Millisecond + time.Duration(dice.Int64N(int64(simAnswerIn-2*time.Millisecond))) + 1
	time.Sleep(answer)
	silent := func() registry.Finding {
		time.Sleep(simProbeTimeout - answer - time.Duration(1+dice.IntN(1000)))
		return registry.FindingSilent
	}
	if a.severed.Load() {
		if dice.IntN(2) == 0 {
			return registry.FindingUnknown
		}
		return silent()
	}
	if dice.Float64() < a.w.network.deaf {
		return silent()
	}
	for i := range 2 {
		if i > 0 {
			time.Sleep(simAskAgain)
		}
		there := a.w.byAddr[p.Addr]
		switch simFate(simOccupant(there, s).fate.Load()) {
		case simRunning:
			return simIdentify(there, p)
		case simVanished, simStopped:
			return silent()
		}
	}
	return registry.FindingRefused
}

// awaitRunning reports whether ctx still holds when the process runs.
func (a *simAPI) awaitRunning(ctx context.Context) bool {
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
func (a *simAPI) Probes() <-chan registry.Probe { return a.registry.Probes() }

func (a *simAPI) Report(ctx context.Context, e registry.Evidence) error {
	if !a.awaitRunning(ctx) {
		return ctx.Err()
	}
	e.Began, e.Ended = a.at(e.Began), a.at(e.Ended)
	return a.registry.Report(ctx, e)
}
