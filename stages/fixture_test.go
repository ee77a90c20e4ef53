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

// now is the ReceivedAt of every message in these tests.
var now = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// heartbeats is the whole chain with default settings.
func heartbeats(r stages.Registry) pipeline.Chain {
	return stages.Heartbeats(r, stages.Decode{}, stages.Canary{}, stages.Validate{})
}

// received returns a message with this body that did not wait in NSQ.
func received(body string) *pipeline.Envelope {
	return &pipeline.Envelope{
		Payload: []byte(body),
		Receipt: events.Receipt{Via: "127.0.0.1:4150", PublishedAt: now, ReceivedAt: now},
	}
}

// decoded returns a message as the stage Decode leaves it. Its heartbeat is a valid one to which the function change has
// been applied.
func decoded(change func(*events.Heartbeat)) *pipeline.Envelope {
	env := received("")
	env.Heartbeat = &events.Heartbeat{
		V: 1, Type: events.KindHeartbeat, Service: "data", ID: "a", Addr: "10.0.0.7:8080", Incarnation: now.UnixMilli(), Seq: 1,
		IntervalMS: 5000, TTLMS: 10000, Weight: 100,
	}
	change(env.Heartbeat)
	return env
}

// run passes the message through the stages in order, as the pipeline does.
func run(ctx context.Context, chain pipeline.Chain, env *pipeline.Envelope) error {
	for _, s := range chain {
		if err := s.Stage.Process(ctx, env); err != nil {
			return err
		}
	}
	return nil
}

func mustPass(t *testing.T, chain pipeline.Chain, env *pipeline.Envelope) {
	t.Helper()
	if err := run(t.Context(), chain, env); err != nil {
		t.Fatalf("got %v, want nil", err)
	}
}

// checkReason fails the test unless err has the reason that the parameter want states. If want is empty, err must be nil.
func checkReason(t *testing.T, err error, want events.Reason) {
	t.Helper()
	var got events.Reason
	var invalid *events.InvalidError
	var drop *pipeline.DropError
	switch {
	case errors.As(err, &invalid):
		got = invalid.Reason
	case errors.As(err, &drop):
		got = drop.Reason
	case err != nil:
		t.Fatalf("got %v, want an error with a reason", err)
	}
	if got != want {
		t.Errorf("got %v, want reason %q", err, want)
	}
}

// fakeRegistry records the arguments of its methods. Each method returns the field err.
type fakeRegistry struct {
	err      error
	observed []*events.Heartbeat
	receipts []events.Receipt
	ticks    []time.Time
	nsqd     []string // the nsqd that the last call of Tick passed
}

func (r *fakeRegistry) Observe(_ context.Context, h *events.Heartbeat, receipt events.Receipt) error {
	r.observed, r.receipts = append(r.observed, h), append(r.receipts, receipt)
	return r.err
}

func (r *fakeRegistry) Tick(_ context.Context, now time.Time, nsqd []string) error {
	r.ticks, r.nsqd = append(r.ticks, now), nsqd
	return r.err
}
