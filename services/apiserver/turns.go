package apiserver

import (
	"context"
	"runtime"
	"time"
)

const (
	restAfter = 2 * time.Millisecond  // work of a turn before it rests; shorter rests would be longer than asked for
	restMax   = 20 * time.Millisecond // longest rest; work that took longer was probably interrupted
	patience  = 5 * time.Millisecond  // a write that takes longer waits for the client and uses no processor time
)

// turns bounds the processor time of work on long lists, because heartbeats go first. The work is done in short steps. Each step takes a
// turn, and a turn rests for as long as it has worked. So all steps together use at most half of as many processors as there are turns.
//
// The values in the channel are the turns that are free: for each of them the work since its last rest.
type turns chan time.Duration

// newTurns returns a turn for every second processor, and at least one turn.
func newTurns() turns {
	t := make(turns, max(1, runtime.GOMAXPROCS(0)/2))
	for range cap(t) {
		t <- 0
	}
	return t
}

// do waits for a turn and calls step. The error is the error of ctx.
func (t turns) do(ctx context.Context, step func()) error {
	select {
	case worked := <-t:
		begun := time.Now()
		defer func() { t.end(worked + time.Since(begun)) }()
		step()
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// turnWriter writes to one client in turns. A turn ends early if the client does not read.
type turnWriter struct {
	turns turns
	slow  *time.Timer // ends the turn if a write is slow; nil before the first write
}

// do waits for a turn and calls write.
func (w *turnWriter) do(ctx context.Context, write func() error) error {
	var worked time.Duration
	select {
	case worked = <-w.turns:
	case <-ctx.Done():
		return ctx.Err()
	}
	begun := time.Now()
	if w.slow == nil {
		w.slow = time.AfterFunc(patience, func() { w.turns.end(patience) })
	} else {
		w.slow.Reset(patience)
	}
	err := write()
	if w.slow.Stop() {
		w.turns.end(worked + time.Since(begun))
	}
	return err
}

// end makes the turn free, after a rest if the turn has worked for long enough.
func (t turns) end(worked time.Duration) {
	if worked < restAfter {
		t <- worked
		return
	}
	time.AfterFunc(min(worked, restMax), func() { t <- 0 })
}
