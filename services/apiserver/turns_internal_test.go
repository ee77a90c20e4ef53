package apiserver

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// Steps of 1 ms, by ten goroutines without a pause, use half of the time of each turn.
func TestTurnsRestAsLongAsTheyWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turns := newTurns()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		var (
			mu     sync.Mutex
			worked time.Duration
			work   sync.WaitGroup
		)
		for range 10 {
			work.Go(func() {
				for turns.do(ctx, func() { time.Sleep(time.Millisecond) }) == nil {
					mu.Lock()
					worked += time.Millisecond
					mu.Unlock()
				}
			})
		}
		work.Wait()
		span := 10 * time.Second * time.Duration(cap(turns))
		if share := float64(worked) / float64(span); share < 0.45 || share > 0.51 {
			t.Errorf("worked for %.2f of the time, want half", share)
		}
	})
}

func TestStepThatWasInterruptedRestsForAShortTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turns := newTurns()
		for range cap(turns) {
			if err := turns.do(t.Context(), func() { time.Sleep(time.Minute) }); err != nil {
				t.Fatal(err)
			}
		}
		begun := time.Now()
		if err := turns.do(t.Context(), func() {}); err != nil || time.Since(begun) > restMax {
			t.Errorf("%v after %v", err, time.Since(begun))
		}
	})
}

func TestTurnsAreGivenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turns := newTurns()
		broken := errors.New("broken")
		w := turnWriter{turns: turns}
		for range 3 {
			for _, pause := range []time.Duration{0, time.Second} {
				if err := w.do(t.Context(), func() error { time.Sleep(pause); return broken }); !errors.Is(err, broken) {
					t.Error(err)
				}
			}
			func() {
				defer func() { _ = recover() }()
				_ = turns.do(t.Context(), func() { panic("broken") })
			}()
		}
		time.Sleep(time.Second)
		if len(turns) != cap(turns) {
			t.Errorf("%d turns are free, want %d", len(turns), cap(turns))
		}
	})
}

func TestEndOfTheRequestEndsTheWaitForATurn(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	none := make(turns)
	w := turnWriter{turns: none}
	if err := none.do(ctx, func() { t.Error("called") }); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if err := w.do(ctx, func() error { t.Error("called"); return nil }); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
