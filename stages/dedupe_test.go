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
		later         time.Duration // by the broker's stamp
		want          events.Reason
	}{
		{"the same beat", same, same, 0, events.ReasonDuplicate},
		{"the same beat, published twice", same, same, time.Millisecond, events.ReasonDuplicate},
		{"the same beat, published a quarter of its TTL later, as by a process with the same start time", same, same, 2500 * time.Millisecond, ""},
		{"the same beat, published an hour later", same, same, time.Hour, ""},
		{"the next seq", same, func(h *events.Heartbeat) { h.Seq++ }, 0, ""},
		{"another incarnation", same, func(h *events.Heartbeat) { h.Incarnation++ }, 0, ""},
		{"another id", same, func(h *events.Heartbeat) { h.ID = "b" }, 0, ""},
		{"another service", same, func(h *events.Heartbeat) { h.Service = "web" }, 0, ""},
		{"a leave of the same seq", same, func(h *events.Heartbeat) { h.Type = events.KindLeave }, 0, ""},
		{"service and id are not run together", func(h *events.Heartbeat) { h.Service, h.ID = "ab", "c" },
			func(h *events.Heartbeat) { h.Service, h.ID = "a", "bc" }, 0, ""},
		{"without a seq, of the same stamp", seqless, seqless, 0, events.ReasonDuplicate},
		{"without a seq, a nanosecond later", seqless, seqless, 1, ""},
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

func TestDedupeLetsARetryPass(t *testing.T) {
	const beat = `{"v":1,"service":"data","addr":"10.0.0.7:8080","incarnation":1763812345678,"seq":42}`
	r := &roll{err: errors.New("busy")}
	chain := stages.Heartbeats(defaults, r)
	if err := run(t.Context(), chain, received(beat)); !errors.Is(err, r.err) {
		t.Fatalf("got %v, want what the registry said", err)
	}
	r.err = nil
	mustPass(t, chain, received(beat))
	checkReason(t, run(t.Context(), chain, received(beat)), events.ReasonDuplicate)
	if len(r.observed) != 2 {
		t.Errorf("the registry was told %d times, want 2", len(r.observed))
	}
}

// A memory that is bounded forgets; it must never take a new beat for an old one.
func TestDedupePassesWhateverIsNew(t *testing.T) {
	chain, env := dedupe(), decoded(func(*events.Heartbeat) {})
	for range 1 << 19 { // twice what it holds
		env.Heartbeat.Seq++
		if err := run(t.Context(), chain, env); err != nil {
			t.Fatalf("seq %d: %v", env.Heartbeat.Seq, err)
		}
	}
}

func TestDedupeNeedsNoMoreMemory(t *testing.T) {
	chain, env := dedupe(), decoded(func(*events.Heartbeat) {})
	perBeat := testing.AllocsPerRun(10_000, func() {
		env.Heartbeat.Seq++
		_ = run(context.Background(), chain, env)
	})
	if perBeat != 0 {
		t.Errorf("%v allocations for each new beat, want none", perBeat)
	}
}

func TestDedupeByMany(t *testing.T) {
	const workers, beats = 8, 2000
	var told [beats]atomic.Int32
	seen := stages.NewSeen()
	chain := pipeline.Chain{
		{Name: "dedupe", Stage: stages.Dedupe{Seen: seen}},
		{Name: "register", Stage: stageFunc(func(_ context.Context, env *pipeline.Envelope) error {
			told[env.Heartbeat.Seq-1].Add(1)
			return nil
		})},
		{Name: "remember", Stage: stages.Remember{Seen: seen}},
	}
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for i := range beats {
				err := run(context.Background(), chain, decoded(func(h *events.Heartbeat) { h.ID, h.Seq = fmt.Sprint(i%50), uint64(i+1) }))
				if err != nil && !errors.Is(err, pipeline.ErrDrop) {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	for i := range told {
		if n := told[i].Load(); n < 1 || n > workers {
			t.Errorf("beat %d was told %d times, want 1 to %d", i+1, n, workers)
		}
	}
}

type stageFunc func(context.Context, *pipeline.Envelope) error

func (f stageFunc) Process(ctx context.Context, env *pipeline.Envelope) error { return f(ctx, env) }
