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

// fakeSkew records the calls of Learn.
type fakeSkew struct {
	receipts []events.Receipt
	sent     []time.Time
}

func (c *fakeSkew) Learn(r events.Receipt, sent time.Time) {
	c.receipts, c.sent = append(c.receipts, r), append(c.sent, sent)
}

// mustCanary returns a canary that the API server with this id and start time sent three seconds after its start.
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
		learns  bool
	}{
		{"a canary of this process is learned from", "api-1", started, true},
		{"a canary of another API server is not", "api-2", started, false},
		{"a canary of an earlier process with this id is not", "api-1", started.Add(-time.Second), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, c := &fakeRegistry{}, &fakeSkew{}
			env := mustCanary(t, tt.id, tt.started)
			err := stages.Canary{Registry: r, ID: "api-1", Started: started, Skew: c}.Process(t.Context(), env)
			if drop := (*pipeline.DropError)(nil); !errors.Is(err, pipeline.ErrDrop) || errors.As(err, &drop) {
				t.Errorf("got %v, want a drop that has no reason", err)
			}
			if len(r.observed) != 1 || r.observed[0] != env.Heartbeat || r.receipts[0] != env.Receipt {
				t.Errorf("the registry observed %+v, %+v", r.observed, r.receipts)
			}
			if learns := len(c.sent) == 1; learns != tt.learns {
				t.Fatalf("learned from canaries sent at %v", c.sent)
			}
			if tt.learns && (!c.sent[0].Equal(started.Add(3*time.Second)) || c.receipts[0] != env.Receipt) {
				t.Errorf("learned from canaries sent at %v with receipts %+v", c.sent, c.receipts)
			}
		})
	}
}

func TestCanaryPassesOtherTypes(t *testing.T) {
	for _, kind := range []events.Kind{events.KindHeartbeat, events.KindLeave, "hello", ""} {
		t.Run(string(kind), func(t *testing.T) {
			r, c := &fakeRegistry{}, &fakeSkew{}
			env := decoded(func(h *events.Heartbeat) { h.ID, h.Incarnation, h.Type = "api-1", now.UnixMilli(), kind })
			if err := (stages.Canary{Registry: r, ID: "api-1", Started: now, Skew: c}).Process(t.Context(), env); err != nil {
				t.Errorf("got %v, want nil", err)
			}
			if len(r.observed)+len(c.sent) != 0 {
				t.Errorf("the registry observed %+v, skew learned %v", r.observed, c.sent)
			}
		})
	}
}

func TestCanaryRetriedAfterRegistryError(t *testing.T) {
	r := &fakeRegistry{err: context.DeadlineExceeded}
	err := stages.Canary{Registry: r}.Process(t.Context(), mustCanary(t, "api-2", now))
	if !errors.Is(err, r.err) || pipeline.OutcomeOf(err) != pipeline.OutcomeRetried {
		t.Errorf("got %v, outcome %v; want retried", err, pipeline.OutcomeOf(err))
	}
}

// The stages after Canary must not process a canary: it lacks the fields of a heartbeat, and it may be older than any TTL.
func TestCanaryIsNotValidatedAgedOrDeduplicated(t *testing.T) {
	r := &fakeRegistry{}
	env := mustCanary(t, "api-2", now)
	env.Receipt.Delay = time.Hour
	for range 2 {
		if err := run(t.Context(), heartbeats(r), env); pipeline.OutcomeOf(err) != pipeline.OutcomeDropped {
			t.Errorf("got %v, want a drop", err)
		}
	}
	if len(r.observed) != 2 {
		t.Errorf("the registry observed %d canaries, want 2", len(r.observed))
	}
}
