package stages_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"rollcall/events"
	"rollcall/pipeline"
	"rollcall/services/registry"
	"rollcall/stages"
)

func TestRegisterHandsOver(t *testing.T) {
	r := &roll{}
	env := decoded(func(*events.Heartbeat) {})
	if err := (stages.Register{Registry: r}).Process(t.Context(), env); err != nil {
		t.Fatal(err)
	}
	if len(r.observed) != 1 || r.observed[0] != env.Heartbeat || r.receipts[0] != env.Receipt {
		t.Errorf("the registry got %+v, %+v", r.observed, r.receipts)
	}
}

func TestRegisterErrorMeansRetry(t *testing.T) {
	err := stages.Register{Registry: &roll{err: registry.ErrStopped}}.Process(t.Context(), decoded(func(*events.Heartbeat) {}))
	if !errors.Is(err, registry.ErrStopped) || pipeline.OutcomeOf(err) != pipeline.OutcomeRetried {
		t.Errorf("got %v, %v; want it retried", err, pipeline.OutcomeOf(err))
	}
}

func TestRegisterWaitsWhileTheMailboxIsFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		full, err := registry.New(registry.Config{Observer: "api-1", Mailbox: 1}) // and nobody runs it
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		register, start := stages.Register{Registry: full}, time.Now()
		if err := register.Process(ctx, decoded(func(*events.Heartbeat) {})); err != nil || time.Since(start) != 0 {
			t.Fatalf("into an empty mailbox: %v after %v", err, time.Since(start))
		}
		err = register.Process(ctx, decoded(func(*events.Heartbeat) {}))
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Second {
			t.Errorf("got %v after %v, want the end of the context after 1s", err, time.Since(start))
		}
		if pipeline.OutcomeOf(err) != pipeline.OutcomeRetried {
			t.Errorf("%v means %v", err, pipeline.OutcomeOf(err))
		}
	})
}
