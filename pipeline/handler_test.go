package pipeline_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"rollcall/events"
	"rollcall/pipeline"
)

func TestConsume(t *testing.T) {
	for _, tt := range []struct {
		name  string
		err   error // error of the middle stage
		acked bool
		want  string // outcome of the middle stage
	}{
		{"a passed message is acked", nil, true, "passed"},
		{"a dropped message is acked", pipeline.Drop(events.ReasonDuplicate), true, "dropped"},
		{"a rejected message is acked", events.Invalid(events.ReasonWeight, "weight -1"), true, "rejected"},
		{"a message with another error is nacked", errors.New("busy"), false, "retried"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b, in := mustBench(t), newInbox()
			var ran []string
			stage := func(name string, err error) pipeline.Named {
				return pipeline.Named{Name: name, Stage: stageFunc(func(context.Context, *pipeline.Envelope) error {
					ran = append(ran, name)
					return err
				})}
			}
			b.Consume("c", "t", in, pipeline.Chain{stage("first", nil), stage("middle", tt.err), stage("last", nil)})
			b.start(t)
			if acked := in.send("x"); acked != tt.acked {
				t.Errorf("acked %v, want %v", acked, tt.acked)
			}
			if passes := tt.err == nil; slices.Contains(ran, "last") != passes || !slices.Contains(ran, "middle") {
				t.Errorf("ran %v", ran)
			}
			for _, outcome := range []string{"passed", "dropped", "rejected", "retried"} {
				want := 0
				if outcome == tt.want {
					want = 1
				}
				if n := b.stage(t, "middle", outcome); n != want {
					t.Errorf("the middle stage counts %d %s, want %d", n, outcome, want)
				}
			}
			if n := b.stage(t, "last", "passed"); (n == 1) != (tt.err == nil) {
				t.Errorf("the last stage counts %d passed", n)
			}
		})
	}
}

func TestMessageThatMakesAStagePanicIsRejected(t *testing.T) {
	b, in := mustBench(t), newInbox()
	b.Consume("c", "t", in, pipeline.Chain{{Name: "panics", Stage: stageFunc(func(context.Context, *pipeline.Envelope) error {
		panic("out of bounds")
	})}})
	b.start(t)
	if !in.send("poison") {
		t.Error("the message is nacked, so NSQ would deliver it without end")
	}
	if copied := (<-b.quarantine.Copies())[0]; string(copied.Body) != "poison" || !strings.Contains(copied.Detail, "out of bounds") {
		t.Errorf("the copy is %+v", copied)
	}
}

func TestConsumeCountsDropsByReason(t *testing.T) {
	b, in := mustBench(t), newInbox()
	b.Consume("c", "t", in, returning(pipeline.Drop(events.ReasonStale)))
	b.start(t)
	for range 3 {
		in.send("x")
	}
	if n := b.rejected(t, events.ReasonStale); n != 3 {
		t.Errorf("%d counted as stale, want 3", n)
	}
	if n := b.rejected(t, events.ReasonDuplicate); n != 0 {
		t.Errorf("%d counted as duplicate, want 0", n)
	}
	if len(b.quarantine.Copies()) != 0 {
		t.Error("a dropped message was copied")
	}
}

func TestEnvelope(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, in := mustBench(t), newInbox()
		var got pipeline.Envelope
		b.Consume("c", "t", in, pipeline.Chain{{Name: "only", Stage: stageFunc(func(_ context.Context, env *pipeline.Envelope) error {
			got = *env
			return nil
		})}})
		b.start(t)
		time.Sleep(time.Hour)
		in.send("body")
		if string(got.Payload) != "body" || !got.Receipt.ReceivedAt.Equal(time.Now()) || got.Heartbeat != nil {
			t.Errorf("got %+v, want the body, received now", got)
		}
	})
}

func TestConsumeProcessesMessagesConcurrently(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, in := mustBench(t), newInbox()
		b.Consume("c", "t", in, pipeline.Chain{{Name: "slow", Stage: stageFunc(func(context.Context, *pipeline.Envelope) error {
			time.Sleep(time.Second)
			return nil
		})}})
		b.start(t)
		start := time.Now()
		for range 10 {
			go in.send("x")
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if n := b.stage(t, "slow", "passed"); n != 10 {
			t.Errorf("%d passed after %v, want 10", n, time.Since(start))
		}
	})
}
