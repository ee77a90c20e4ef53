package stages_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"rollcall/events"
	"rollcall/pipeline"
	"rollcall/stages"
)

// clocks is a Skew that keeps what it is taught.
type clocks struct {
	receipts []events.Receipt
	sent     []time.Time
}

func (c *clocks) Learn(r events.Receipt, sent time.Time) {
	c.receipts, c.sent = append(c.receipts, r), append(c.sent, sent)
}

// mustCanary is one that the API server of that id, started then, sent three seconds after its start.
func mustCanary(t *testing.T, id string, started time.Time) *pipeline.Envelope {
	t.Helper()
	body, err := events.EncodeCanary(id, started, started.Add(3*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	env := received(string(body))
	if err := (stages.Decode{}).Process(t.Context(), env); err != nil {
		t.Fatal(err)
	}
	return env
}

func TestCanary(t *testing.T) {
	started := now.Add(-time.Hour)
	for _, tt := range []struct {
		name    string
		id      string
		started time.Time
		teaches bool
	}{
		{"our own teaches", "api-1", started, true},
		{"that of another API server does not", "api-2", started, false},
		{"nor one of an earlier process of ours", "api-1", started.Add(-time.Second), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, c := &roll{}, &clocks{}
			env := mustCanary(t, tt.id, tt.started)
			err := stages.Canary{Registry: r, Config: stages.Config{ID: "api-1", Started: started, Skew: c}}.Process(t.Context(), env)
			if drop := (*pipeline.DropError)(nil); !errors.Is(err, pipeline.ErrDrop) || errors.As(err, &drop) {
				t.Errorf("got %v, want it dropped without a reason that counts", err)
			}
			if len(r.observed) != 1 || r.observed[0] != env.Heartbeat || r.receipts[0] != env.Receipt {
				t.Errorf("the registry got %+v, %+v", r.observed, r.receipts)
			}
			if teaches := len(c.sent) == 1; teaches != tt.teaches {
				t.Fatalf("taught %v", c.sent)
			}
			if tt.teaches && (!c.sent[0].Equal(started.Add(3*time.Second)) || c.receipts[0] != env.Receipt) {
				t.Errorf("taught %v, %+v", c.sent, c.receipts)
			}
		})
	}
}

func TestCanaryLetsAllElsePass(t *testing.T) {
	for _, kind := range []events.Kind{events.KindHeartbeat, events.KindLeave, "hello", ""} {
		t.Run(string(kind), func(t *testing.T) {
			r, c := &roll{}, &clocks{}
			env := decoded(func(h *events.Heartbeat) { h.ID, h.Incarnation, h.Type = "api-1", now.UnixMilli(), kind })
			if err := (stages.Canary{Registry: r, Config: stages.Config{ID: "api-1", Started: now, Skew: c}}).Process(t.Context(), env); err != nil {
				t.Errorf("got %v, want it to pass", err)
			}
			if len(r.observed)+len(c.sent) != 0 {
				t.Errorf("the registry got %+v, the clocks %v", r.observed, c.sent)
			}
		})
	}
}

func TestACanaryThatTheRegistryDoesNotTakeComesAgain(t *testing.T) {
	r := &roll{err: context.DeadlineExceeded}
	err := stages.Canary{Registry: r}.Process(t.Context(), mustCanary(t, "api-2", now))
	if !errors.Is(err, r.err) || pipeline.OutcomeOf(err) != pipeline.OutcomeRetried {
		t.Errorf("got %v, which means %v; want it retried", err, pipeline.OutcomeOf(err))
	}
}

// A canary says nothing of any server: what a heartbeat is asked for it does not have, and its age is of no matter.
func TestACanaryGoesThroughTheWholeChain(t *testing.T) {
	r := &roll{}
	env := mustCanary(t, "api-2", now)
	env.Receipt.Delay = time.Hour
	for range 2 { // nor is it a duplicate
		if err := run(t.Context(), stages.Heartbeats(defaults, r), env); pipeline.OutcomeOf(err) != pipeline.OutcomeDropped {
			t.Errorf("got %v, want it dropped", err)
		}
	}
	if len(r.observed) != 2 {
		t.Errorf("the registry heard of %d, want 2", len(r.observed))
	}
}
