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

func TestRegisterPassesHeartbeatAndReceipt(t *testing.T) {
	r := &fakeRegistry{}
	env := decoded(func(*events.Heartbeat) {})
	if err := (stages.Register{Registry: r}).Process(t.Context(), env); err != nil {
		t.Fatal(err)
	}
	if len(r.observed) != 1 || r.observed[0] != env.Heartbeat || r.receipts[0] != env.Receipt {
		t.Errorf("the registry observed %+v, %+v", r.observed, r.receipts)
	}
}

func TestRegisterErrorMeansRetry(t *testing.T) {
	err := stages.Register{Registry: &fakeRegistry{err: registry.ErrStopped}}.Process(t.Context(), decoded(func(*events.Heartbeat) {}))
	if !errors.Is(err, registry.ErrStopped) || pipeline.OutcomeOf(err) != pipeline.OutcomeRetried {
		t.Errorf("got %v, outcome %v; want retried", err, pipeline.OutcomeOf(err))
	}
}

func TestRegisterBlocksWhileTheMailboxIsFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		full, err := registry.New(registry.Config{Observer: "api-1", Mailbox: 1}) // the registry does not run, so it never empties its mailbox
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
			t.Errorf("got %v after %v, want the context's error after 1s", err, time.Since(start))
		}
		if pipeline.OutcomeOf(err) != pipeline.OutcomeRetried {
			t.Errorf("%v: outcome %v", err, pipeline.OutcomeOf(err))
		}
	})
}
