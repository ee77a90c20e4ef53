package pipeline_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"go.uber.org/zap"

	"rollcall/pipeline"
)

// Ticker and Source must behave as Watermill expects of a subscriber. Each subscriber of the test has at least two messages to deliver.
func TestTickerAndSourceAsSubscribers(t *testing.T) {
	subscribers := map[string]func() message.Subscriber{
		"ticker": func() message.Subscriber { return pipeline.NewTicker(time.Second) },
		"source": func() message.Subscriber { return sourceOf("a", "b") },
	}
	for _, tt := range []struct {
		name string
		test func(t *testing.T, s message.Subscriber)
	}{
		{"Close is idempotent", func(t *testing.T, s message.Subscriber) {
			out := mustSubscribe(t, t.Context(), s)
			var all sync.WaitGroup
			for range 3 {
				all.Go(func() { mustClose(t, s) })
			}
			all.Wait()
			checkClosed(t, out)
			mustClose(t, s)
		}},
		{"Close before Subscribe", func(t *testing.T, s message.Subscriber) { mustClose(t, s) }},
		{"Close while the channel is not read", func(t *testing.T, s message.Subscriber) {
			out := mustSubscribe(t, t.Context(), s)
			time.Sleep(time.Minute)
			mustClose(t, s)
			checkClosed(t, out)
		}},
		{"Close while a message is not acked", func(t *testing.T, s message.Subscriber) {
			out := mustSubscribe(t, t.Context(), s)
			msg := <-out
			time.Sleep(time.Minute)
			mustClose(t, s)
			checkClosed(t, out)
			if msg.Context().Err() == nil {
				t.Error("the context of the message has not ended")
			}
		}},
		{"Close between two messages", func(t *testing.T, s message.Subscriber) {
			out := mustSubscribe(t, t.Context(), s)
			(<-out).Nack()
			synctest.Wait()
			mustClose(t, s)
			checkClosed(t, out)
		}},
		{"Close ends each subscription", func(t *testing.T, s message.Subscriber) {
			if _, ok := s.(*pipeline.Ticker); !ok {
				t.Skip("a Source has one subscription")
			}
			one, two := mustSubscribe(t, t.Context(), s), mustSubscribe(t, t.Context(), s)
			mustClose(t, s)
			checkClosed(t, one)
			checkClosed(t, two)
		}},
		{"Subscribe after Close", func(t *testing.T, s message.Subscriber) {
			mustClose(t, s)
			if out, err := s.Subscribe(t.Context(), ""); !errors.Is(err, pipeline.ErrClosed) || out != nil {
				t.Errorf("got %v, %v; want ErrClosed", out, err)
			}
		}},
		{"the context ends while the channel is not read", func(t *testing.T, s message.Subscriber) {
			ctx, cancel := context.WithCancel(t.Context())
			out := mustSubscribe(t, ctx, s)
			time.Sleep(time.Minute)
			cancel()
			synctest.Wait()
			checkClosed(t, out)
			mustClose(t, s)
		}},
		{"the context ends while a message is not acked", func(t *testing.T, s message.Subscriber) {
			ctx, cancel := context.WithCancel(t.Context())
			out := mustSubscribe(t, ctx, s)
			msg := <-out
			cancel()
			synctest.Wait()
			checkClosed(t, out)
			if msg.Context().Err() == nil {
				t.Error("the context of the message has not ended")
			}
		}},
		{"the context has ended before Subscribe", func(t *testing.T, s message.Subscriber) {
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			out := mustSubscribe(t, ctx, s)
			synctest.Wait()
			checkClosed(t, out)
		}},
		{"the context of a message ends with its ack", func(t *testing.T, s message.Subscriber) {
			msg := <-mustSubscribe(t, t.Context(), s)
			if err := msg.Context().Err(); err != nil {
				t.Errorf("before the ack: %v", err)
			}
			msg.Ack()
			synctest.Wait()
			if msg.Context().Err() == nil {
				t.Error("the context of the message has not ended")
			}
			mustClose(t, s)
		}},
		{"the context of a message has the values of the subscription's", func(t *testing.T, s message.Subscriber) {
			type key struct{}
			msg := <-mustSubscribe(t, context.WithValue(t.Context(), key{}, "v"), s)
			if msg.Context().Value(key{}) != "v" {
				t.Error("the value is missing")
			}
			mustClose(t, s)
		}},
		{"the next message waits for the ack of the last", func(t *testing.T, s message.Subscriber) {
			out := mustSubscribe(t, t.Context(), s)
			msg := <-out
			time.Sleep(time.Minute)
			synctest.Wait()
			select {
			case <-out:
				t.Error("a second message before the ack of the first")
			default:
			}
			msg.Ack()
			<-out
			mustClose(t, s)
		}},
	} {
		for name, create := range subscribers {
			t.Run(name+": "+tt.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { tt.test(t, create()) })
			})
		}
	}
}

// sourceOf returns a Source of these values whose channel stays open.
func sourceOf(values ...string) *pipeline.Source[string] {
	from := make(chan []string, len(values))
	for _, v := range values {
		from <- []string{v}
	}
	return pipeline.NewSource(from, bytesOf, zap.NewNop())
}

func bytesOf(s string) ([]byte, error) { return []byte(s), nil }

func mustSubscribe(t *testing.T, ctx context.Context, s message.Subscriber) <-chan *message.Message {
	t.Helper()
	out, err := s.Subscribe(ctx, "")
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func mustClose(t *testing.T, s message.Subscriber) {
	t.Helper()
	start := time.Now()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if d := time.Since(start); d != 0 {
		t.Errorf("Close took %v", d)
	}
}

// checkClosed fails unless the channel is closed. It does not wait.
func checkClosed(t *testing.T, out <-chan *message.Message) {
	t.Helper()
	select {
	case msg, open := <-out:
		if open {
			t.Errorf("received %q, want the channel closed", msg.Payload)
		}
	default:
		t.Error("the channel is open")
	}
}
