package pipeline_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"rollcall/pipeline"
)

func TestSourceKeepsOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := sourceOf("a", "b", "c")
		out := mustSubscribe(t, t.Context(), s)
		for _, want := range []string{"a", "b", "c"} {
			msg := <-out
			if string(msg.Payload) != want {
				t.Errorf("got %q, want %q", msg.Payload, want)
			}
			msg.Ack()
		}
		mustClose(t, s)
		if left := s.Unacked(); left != nil {
			t.Errorf("%q are unacked", left)
		}
	})
}

func TestSourceRetriesUntilAcked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, start := sourceOf("a", "b"), time.Now()
		out := mustSubscribe(t, t.Context(), s)
		for i := range 5 {
			msg := <-out
			if at := time.Since(start); string(msg.Payload) != "a" || at != time.Duration(i)*250*time.Millisecond {
				t.Errorf("try %d: %q at %v", i+1, msg.Payload, at)
			}
			msg.Nack()
		}
		msg := <-out
		msg.Ack()
		if msg := <-out; string(msg.Payload) != "b" {
			t.Errorf("got %q after the ack of a", msg.Payload)
		}
		mustClose(t, s)
	})
}

func TestSourceUnacked(t *testing.T) {
	for _, tt := range []struct {
		name string
		use  func(t *testing.T, s *pipeline.Source[string])
		want []string
	}{
		{"nothing received", func(t *testing.T, s *pipeline.Source[string]) { mustClose(t, s) }, nil},
		{"not read", func(t *testing.T, s *pipeline.Source[string]) {
			mustSubscribe(t, t.Context(), s)
			synctest.Wait()
			mustClose(t, s)
		}, []string{"a"}},
		{"not acked", func(t *testing.T, s *pipeline.Source[string]) {
			<-mustSubscribe(t, t.Context(), s)
			mustClose(t, s)
		}, []string{"a"}},
		{"nacked", func(t *testing.T, s *pipeline.Source[string]) {
			(<-mustSubscribe(t, t.Context(), s)).Nack()
			synctest.Wait()
			mustClose(t, s)
		}, []string{"a"}},
		{"first acked, second not", func(t *testing.T, s *pipeline.Source[string]) {
			out := mustSubscribe(t, t.Context(), s)
			(<-out).Ack()
			<-out
			mustClose(t, s)
		}, []string{"b"}},
		{"context ended", func(t *testing.T, s *pipeline.Source[string]) {
			ctx, end := context.WithCancel(t.Context())
			<-mustSubscribe(t, ctx, s)
			end()
			synctest.Wait()
		}, []string{"a"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := sourceOf("a", "b")
				tt.use(t, s)
				if got := s.Unacked(); !slices.Equal(got, tt.want) {
					t.Errorf("got %q, want %q", got, tt.want)
				}
			})
		})
	}
}

// An ack counts even if Close is called at the same moment; otherwise the caller would publish the message again.
func TestSourceAckedDuringClose(t *testing.T) {
	for range 100 {
		synctest.Test(t, func(t *testing.T) {
			s := sourceOf("a")
			msg := <-mustSubscribe(t, t.Context(), s)
			msg.Ack()
			mustClose(t, s)
			if left := s.Unacked(); left != nil {
				t.Fatalf("%q are unacked", left)
			}
		})
	}
}

// Batches that the Source has not received stay in the channel.
func TestSourceReceivesOneBatchAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		from := make(chan []string, 3)
		from <- []string{"a"}
		from <- []string{"b"}
		from <- []string{"c"}
		s := pipeline.NewSource(from, bytesOf, zap.NewNop())
		<-mustSubscribe(t, t.Context(), s)
		time.Sleep(time.Hour)
		mustClose(t, s)
		if len(from) != 2 || len(s.Unacked()) != 1 {
			t.Errorf("%d in the channel and %d unacked, want 2 and 1", len(from), len(s.Unacked()))
		}
	})
}

func TestSourceSkipsValuesThatCannotBeEncoded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		core, logs := observer.New(zap.InfoLevel)
		from := make(chan []string, 3)
		from <- []string{"a"}
		from <- []string{""}
		from <- []string{"c"}
		s := pipeline.NewSource(from, nonEmpty, zap.New(core))
		out := mustSubscribe(t, t.Context(), s)
		for _, want := range []string{"a", "c"} {
			msg := <-out
			if string(msg.Payload) != want {
				t.Errorf("got %q, want %q", msg.Payload, want)
			}
			msg.Ack()
		}
		mustClose(t, s)
		if lines := logs.All(); len(lines) != 1 || lines[0].Level != zap.ErrorLevel || lines[0].ContextMap()["error"] != "message : empty" {
			t.Errorf("logged %+v, want one error", lines)
		}
		if left := s.Unacked(); left != nil {
			t.Errorf("%q are unacked", left)
		}
	})
}

func TestSourceDeliversABatchAsOneMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		from := make(chan []string, 4)
		from <- []string{"a", "b", "c"}
		from <- []string{"", ""}
		from <- nil
		from <- []string{"d", "", "e"}
		to := &fakePublisher{}
		b := mustBench(t)
		s := pipeline.NewSource(from, nonEmpty, zap.NewNop())
		b.Produce("events", s, "out", to)
		stop := b.start(t)
		synctest.Wait()
		if want := []string{"a", "b", "c", "d", "e"}; !slices.Equal(to.published, want) || to.calls != 2 {
			t.Errorf("published %q with %d calls, want %q with 2", to.published, to.calls, want)
		}
		stop()
		if left := s.Unacked(); left != nil {
			t.Errorf("%q are unacked", left)
		}
	})
}

// A batch that is not acked is unacked as a whole, with the values that cannot be encoded: Flush reports them.
func TestSourceUnackedBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		from := make(chan []string, 2)
		from <- []string{"a", "", "b"}
		from <- []string{"c"}
		s := pipeline.NewSource(from, nonEmpty, zap.NewNop())
		msg := <-mustSubscribe(t, t.Context(), s)
		if string(msg.Payload) != "a" {
			t.Errorf("got %q, want the first value", msg.Payload)
		}
		mustClose(t, s)
		if left := s.Unacked(); !slices.Equal(left, []string{"a", "", "b"}) || len(from) != 1 {
			t.Errorf("%q are unacked and %d batches in the channel, want the first batch and 1", left, len(from))
		}
	})
}

func TestSourceEndsWhenChannelIsClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		from := make(chan []string, 1)
		from <- []string{"a"}
		close(from)
		s := pipeline.NewSource(from, bytesOf, zap.NewNop())
		out := mustSubscribe(t, t.Context(), s)
		(<-out).Ack()
		synctest.Wait()
		checkClosed(t, out)
		mustClose(t, s)
	})
}

func nonEmpty(s string) ([]byte, error) {
	if s == "" {
		return nil, errors.New("empty")
	}
	return []byte(s), nil
}
