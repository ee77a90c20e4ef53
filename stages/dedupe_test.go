package stages_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"rollcall/events"
	"rollcall/pipeline"
	"rollcall/stages"
)

// dedupe returns a chain of Dedupe and Remember alone.
func dedupe() pipeline.Chain {
	seen := stages.NewSeen()
	return pipeline.Chain{{Name: "dedupe", Stage: stages.Dedupe{Seen: seen}}, {Name: "remember", Stage: stages.Remember{Seen: seen}}}
}

func TestDedupe(t *testing.T) {
	seqless := func(h *events.Heartbeat) { h.Incarnation, h.Seq = 0, 0 }
	same := func(*events.Heartbeat) {}
	for _, tt := range []struct {
		name          string
		first, second func(*events.Heartbeat)
		later         time.Duration // from the first publish to the second, by nsqd's timestamps
		want          events.Reason
	}{
		{"the same heartbeat", same, same, 0, events.ReasonDuplicate},
		{"the same heartbeat, published again a millisecond later", same, same, time.Millisecond, events.ReasonDuplicate},
		{"the same heartbeat, published a quarter of its TTL later, as a process with the same start time would", same, same, 2500 * time.Millisecond, ""},
		{"the same heartbeat, published an hour later", same, same, time.Hour, ""},
		{"the next seq", same, func(h *events.Heartbeat) { h.Seq++ }, 0, ""},
		{"another incarnation", same, func(h *events.Heartbeat) { h.Incarnation++ }, 0, ""},
		{"another id", same, func(h *events.Heartbeat) { h.ID = "b" }, 0, ""},
		{"another service", same, func(h *events.Heartbeat) { h.Service = "web" }, 0, ""},
		{"a leave with the same seq", same, func(h *events.Heartbeat) { h.Type = events.KindLeave }, 0, ""},
		{"service and id are not concatenated", func(h *events.Heartbeat) { h.Service, h.ID = "ab", "c" },
			func(h *events.Heartbeat) { h.Service, h.ID = "a", "bc" }, 0, ""},
		{"without a seq, with the same timestamp", seqless, seqless, 0, events.ReasonDuplicate},
		{"without a seq, with a timestamp one nanosecond later", seqless, seqless, 1, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			chain := dedupe()
			mustPass(t, chain, decoded(tt.first))
			env := decoded(tt.second)
			env.Receipt.PublishedAt = now.Add(tt.later)
			checkReason(t, run(t.Context(), chain, env), tt.want)
		})
	}
}

func TestDedupePassesARedeliveryAfterAnError(t *testing.T) {
	const heartbeat = `{"v":1,"service":"data","addr":"10.0.0.7:8080","incarnation":1763812345678,"seq":42}`
	r := &fakeRegistry{err: errors.New("busy")}
	chain := heartbeats(r)
	if err := run(t.Context(), chain, received(heartbeat)); !errors.Is(err, r.err) {
		t.Fatalf("got %v, want the error of the registry", err)
	}
	r.err = nil
	mustPass(t, chain, received(heartbeat))
	checkReason(t, run(t.Context(), chain, received(heartbeat)), events.ReasonDuplicate)
	if len(r.observed) != 2 {
		t.Errorf("the registry observed %d heartbeats, want 2", len(r.observed))
	}
}

// Seen may forget a heartbeat, but it must never take a new one for a duplicate.
func TestDedupePassesEveryNewHeartbeat(t *testing.T) {
	chain, env := dedupe(), decoded(func(*events.Heartbeat) {})
	for range 1 << 19 { // twice the capacity of Seen
		env.Heartbeat.Seq++
		if err := run(t.Context(), chain, env); err != nil {
			t.Fatalf("seq %d: %v", env.Heartbeat.Seq, err)
		}
	}
}

func TestDedupeDoesNotAllocate(t *testing.T) {
	chain, env := dedupe(), decoded(func(*events.Heartbeat) {})
	allocs := testing.AllocsPerRun(10_000, func() {
		env.Heartbeat.Seq++
		_ = run(context.Background(), chain, env)
	})
	if allocs != 0 {
		t.Errorf("%v allocations for each new heartbeat, want 0", allocs)
	}
}

func TestDedupeConcurrently(t *testing.T) {
	const workers, heartbeats = 8, 2000
	var passed [heartbeats]atomic.Int32
	seen := stages.NewSeen()
	chain := pipeline.Chain{
		{Name: "dedupe", Stage: stages.Dedupe{Seen: seen}},
		{Name: "register", Stage: stageFunc(func(_ context.Context, env *pipeline.Envelope) error {
			passed[env.Heartbeat.Seq-1].Add(1)
			return nil
		})},
		{Name: "remember", Stage: stages.Remember{Seen: seen}},
	}
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for i := range heartbeats {
				err := run(context.Background(), chain, decoded(func(h *events.Heartbeat) { h.ID, h.Seq = fmt.Sprint(i%50), uint64(i+1) }))
				if err != nil && !errors.Is(err, pipeline.ErrDrop) {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	for i := range passed {
		if n := passed[i].Load(); n < 1 || n > workers {
			t.Errorf("heartbeat %d passed %d times, want 1 to %d", i+1, n, workers)
		}
	}
}

type stageFunc func(context.Context, *pipeline.Envelope) error

func (f stageFunc) Process(ctx context.Context, env *pipeline.Envelope) error { return f(ctx, env) }
