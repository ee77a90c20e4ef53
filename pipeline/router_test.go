package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"go.uber.org/goleak"
	"go.uber.org/zap"

	"rollcall/events"
	"rollcall/pipeline"
)

// One router processes messages and ticks, and publishes events.
func TestRouterRunsAllHandlers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, in, out, sent := mustBench(t), newInbox(), &outbox{}, make(chan []string, 10)
		b.Consume("messages", "t", in, pipeline.Chain{{Name: "send", Stage: stageFunc(func(_ context.Context, env *pipeline.Envelope) error {
			sent <- []string{string(env.Payload)}
			return nil
		})}})
		b.Consume("ticks", "", pipeline.NewTicker(time.Second), pipeline.Chain{{Name: "tick", Stage: stageFunc(func(_ context.Context, env *pipeline.Envelope) error {
			if len(env.Payload) != 0 {
				return events.ErrInvalid
			}
			return nil
		})}})
		b.Produce("events", pipeline.NewSource(sent, bytesOf, zap.NewNop()), "out", out)
		stop := b.start(t)
		for i := range 5 {
			if !in.send(fmt.Sprint(i)) {
				t.Errorf("message %d was not acked", i)
			}
			time.Sleep(time.Second)
		}
		time.Sleep(time.Second / 2)
		var got []string
		for _, p := range out.of("out") {
			got = append(got, p.body)
		}
		if want := []string{"0", "1", "2", "3", "4"}; !slices.Equal(got, want) {
			t.Errorf("published %v, want %v", got, want)
		}
		if n := b.stage(t, "tick", "passed"); n != 5 {
			t.Errorf("%d ticks in 5.5 s, want 5", n)
		}
		stop()
		if out.closes != 0 {
			t.Error("the router closed the caller's publisher")
		}
	})
}

func TestRouterDoesNotClosePublisherOfEndedHandler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, out, short, long := mustBench(t), &outbox{}, make(chan []string), make(chan []string)
		b.Produce("short", pipeline.NewSource(short, bytesOf, zap.NewNop()), "short", out)
		b.Produce("long", pipeline.NewSource(long, bytesOf, zap.NewNop()), "long", out)
		stop := b.start(t)
		short <- []string{"a"}
		close(short)
		synctest.Wait()
		long <- []string{"b"}
		synctest.Wait()
		if len(out.of("short")) != 1 || len(out.of("long")) != 1 || out.closes != 0 {
			t.Errorf("published %v, closed %d times", out.sent, out.closes)
		}
		stop()
	})
}

func TestRouterRetriesUntilPublished(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, out, from := mustBench(t), &outbox{err: errors.New("no broker")}, make(chan []string, 2)
		s := pipeline.NewSource(from, bytesOf, zap.NewNop())
		b.Produce("events", s, "out", out)
		stop := b.start(t)
		from <- []string{"a"}
		from <- []string{"b"}
		time.Sleep(10 * time.Second)
		if len(from) != 1 || len(out.sent) != 0 {
			t.Errorf("%d waiting and %d published, want 1 and 0", len(from), len(out.sent))
		}
		out.fail(nil)
		time.Sleep(time.Second)
		if got := out.of("out"); len(got) != 2 || got[0].body != "a" || got[1].body != "b" {
			t.Errorf("published %v, want a and b", got)
		}
		stop()
		if left := s.Unacked(); left != nil {
			t.Errorf("%q are unacked", left)
		}
	})
}

// After Run the caller may publish the unacked messages.
func TestUnackedAfterRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, from := mustBench(t), make(chan []string, 1)
		s := pipeline.NewSource(from, bytesOf, zap.NewNop())
		b.Produce("events", s, "out", &outbox{err: errors.New("no broker")})
		stop := b.start(t)
		from <- []string{"a"}
		time.Sleep(time.Second)
		stop()
		if left := s.Unacked(); !slices.Equal(left, []string{"a"}) {
			t.Errorf("got %q, want a", left)
		}
	})
}

// This test runs in real time. The router holds a mutex while it waits for messages in flight, and goroutines that wait for a mutex
// stop the clock of synctest.
func TestRunWaitsForMessagesInFlight(t *testing.T) {
	others := goleak.IgnoreCurrent()
	b, in, started, release := mustBench(t), newInbox(), make(chan struct{}), make(chan struct{})
	b.Consume("c", "t", in, pipeline.Chain{{Name: "slow", Stage: stageFunc(func(context.Context, *pipeline.Envelope) error {
		close(started)
		<-release
		return nil
	})}})
	ctx, cancel := context.WithCancel(t.Context())
	ran := make(chan error, 1)
	go func() { ran <- b.Run(ctx) }()
	<-b.Running()
	acked := make(chan bool, 1)
	go func() { acked <- in.send("x") }()
	<-started
	cancel()
	select {
	case err := <-ran:
		t.Fatalf("Run returned %v while a message was in flight", err)
	case <-time.After(50 * time.Millisecond):
	}
	close(release)
	if err := <-ran; err != nil {
		t.Error(err)
	}
	if !<-acked {
		t.Error("the message in flight was not acked")
	}
	goleak.VerifyNone(t, others)
}

func TestRunWaitsAtMostFiveSeconds(t *testing.T) {
	if testing.Short() {
		t.Skip("takes five seconds")
	}
	t.Parallel()
	b, in, started, release := mustBench(t), newInbox(), make(chan struct{}), make(chan struct{})
	defer close(release)
	b.Consume("c", "t", in, pipeline.Chain{{Name: "stuck", Stage: stageFunc(func(context.Context, *pipeline.Envelope) error {
		close(started)
		<-release
		return nil
	})}})
	ctx, cancel := context.WithCancel(t.Context())
	ran := make(chan error, 1)
	go func() { ran <- b.Run(ctx) }()
	<-b.Running()
	go in.send("x")
	<-started
	cancel()
	begin := time.Now()
	select {
	case err := <-ran:
		if d := time.Since(begin); err != nil || d < 4*time.Second {
			t.Errorf("got %v after %v, want nil after 5s", err, d)
		}
	case <-time.After(8 * time.Second):
		t.Error("Run has not returned after 8s")
	}
}

func TestRunReturnsWhenAllHandlersHave(t *testing.T) {
	others := goleak.IgnoreCurrent()
	b, from := mustBench(t), make(chan []string)
	b.Produce("events", pipeline.NewSource(from, bytesOf, zap.NewNop()), "out", &outbox{})
	ran := make(chan error, 1)
	go func() { ran <- b.Run(t.Context()) }()
	<-b.Running()
	close(from)
	if err := <-ran; err != nil {
		t.Error(err)
	}
	goleak.VerifyNone(t, others)
}

func TestRunTwice(t *testing.T) {
	b := mustBench(t)
	b.Consume("c", "t", newInbox(), nil)
	b.start(t)
	if err := b.Run(t.Context()); err == nil {
		t.Error("the second Run returned no error")
	}
}

type noSubscriber struct{ err error }

func (s noSubscriber) Subscribe(context.Context, string) (<-chan *message.Message, error) {
	return nil, s.err
}
func (noSubscriber) Close() error { return nil }

func TestRunReturnsSubscribeError(t *testing.T) {
	b, want := mustBench(t), errors.New("no such topic")
	b.Consume("c", "t", noSubscriber{want}, nil)
	if err := b.Run(t.Context()); !errors.Is(err, want) {
		t.Errorf("got %v, want it to wrap %v", err, want)
	}
}
