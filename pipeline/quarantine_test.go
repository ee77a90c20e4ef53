package pipeline_test

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap/zaptest/observer"

	"rollcall/events"
	"rollcall/pipeline"
)

// flood sends messages to the inbox until the duration d has passed, with the duration gap between two messages. It does not wait for acks.
// It must run in virtual time.
func flood(in *inbox, gap, d time.Duration) {
	for range d / gap {
		go in.send("x")
		time.Sleep(gap)
	}
}

// copiesOf records the times of the copies until ctx ends.
func copiesOf(ctx context.Context, q *pipeline.Quarantine) (at *[]time.Time) {
	at = new([]time.Time)
	go func() {
		for {
			select {
			case <-q.Copies():
				*at = append(*at, time.Now())
			case <-ctx.Done():
				return
			}
		}
	}()
	return at
}

// checkRate fails if more than ten of the times are in any one second.
func checkRate(t *testing.T, at []time.Time) {
	t.Helper()
	for i := 10; i < len(at); i++ {
		if d := at[i].Sub(at[i-10]); d < time.Second {
			t.Fatalf("eleven copies within %v", d)
		}
	}
}

func TestQuarantineCopiesTenMessagesASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, in := mustBench(t), newInbox()
		b.Consume("c", "t", in, returning(events.Invalid(events.ReasonMalformed, "cut")))
		stop := b.start(t)
		ctx, cancel := context.WithCancel(t.Context())
		at := copiesOf(ctx, b.quarantine)
		flood(in, 10*time.Millisecond, 20*time.Second)
		synctest.Wait()
		checkRate(t, *at)
		if len(*at) != 200 {
			t.Errorf("%d copies in 20 s, want 200", len(*at))
		}
		if n := b.rejected(t, events.ReasonMalformed); n != 2000 {
			t.Errorf("%d counted, want all 2000", n)
		}
		cancel()
		stop()
	})
}

// The limit must hold although messages are processed concurrently, so that they are not rejected in the order of receipt.
func TestQuarantineCopiesTenMessagesASecondOutOfOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, in := mustBench(t), newInbox()
		var calls atomic.Int64
		b.Consume("c", "t", in, pipeline.Chain{{Name: "every second one is slow", Stage: stageFunc(func(context.Context, *pipeline.Envelope) error {
			if calls.Add(1)%2 == 0 {
				time.Sleep(900 * time.Millisecond)
			}
			return events.Invalid(events.ReasonMalformed, "cut")
		})}})
		stop := b.start(t)
		ctx, cancel := context.WithCancel(t.Context())
		at := copiesOf(ctx, b.quarantine)
		flood(in, 10*time.Millisecond, 20*time.Second)
		time.Sleep(time.Second)
		synctest.Wait()
		checkRate(t, *at)
		if len(*at) < 200 {
			t.Errorf("%d copies in 21 s, want 200 or more", len(*at))
		}
		cancel()
		stop()
	})
}

func TestQuarantineLogsEachReasonOnceAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, cut, heavy := mustBench(t), newInbox(), newInbox()
		b.Consume("cut", "t", cut, returning(events.Invalid(events.ReasonMalformed, "cut")))
		b.Consume("heavy", "t", heavy, returning(events.Invalid(events.ReasonWeight, "weight -1")))
		stop := b.start(t)
		start := time.Now()
		for range 1300 { // 1300 times 100 ms are 130 s
			cut.send("{")
			heavy.send("{}")
			time.Sleep(100 * time.Millisecond)
		}
		lines := b.logs.FilterMessageSnippet("heartbeat rejected")
		for reason, detail := range map[string]string{"malformed": "malformed: cut", "weight": "weight: weight -1"} {
			of := lines.Filter(func(e observer.LoggedEntry) bool { return e.ContextMap()["reason"] == reason }).All()
			if len(of) != 3 {
				t.Fatalf("%d log messages for %s in 130 s, want 3", len(of), reason)
			}
			for i, line := range of {
				if at := line.Time.Sub(start); at != time.Duration(i)*time.Minute {
					t.Errorf("log message %d for %s at %v", i+1, reason, at)
				}
				if text, _ := line.ContextMap()["error"].(string); !strings.HasSuffix(text, detail) {
					t.Errorf("log message %d for %s has the error %q", i+1, reason, text)
				}
			}
		}
		if lines.Len() != 6 {
			t.Errorf("%d log messages, want 6", lines.Len())
		}
		stop()
	})
}

func TestQuarantineNeverBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, in := mustBench(t), newInbox()
		b.Consume("c", "t", in, returning(events.Invalid(events.ReasonMalformed, "cut")))
		stop := b.start(t)
		for range 1000 { // no one receives the copies
			start := time.Now()
			if !in.send("x") || time.Since(start) != 0 {
				t.Fatalf("blocked for %v", time.Since(start))
			}
			time.Sleep(100 * time.Millisecond)
		}
		if n := len(b.quarantine.Copies()); n != 64 {
			t.Errorf("%d copies wait, want 64", n)
		}
		stop()
	})
}

func TestQuarantineCopyHasTheReceivedBody(t *testing.T) {
	long := bytes.Repeat([]byte{0xff}, 1<<20)
	for _, tt := range []struct {
		name       string
		err        error
		body, want []byte
		reason     events.Reason
	}{
		{"text", events.Invalid(events.ReasonAddress, "no port"), []byte("10.0.0.7"), []byte("10.0.0.7"), events.ReasonAddress},
		{"binary", events.Invalid(events.ReasonMalformed, "x"), []byte("\x1f\x8b\x00\xff\n"), []byte("\x1f\x8b\x00\xff\n"), events.ReasonMalformed},
		{"empty", events.Invalid(events.ReasonMalformed, "x"), []byte{}, []byte{}, events.ReasonMalformed},
		{"as long as the limit", events.Invalid(events.ReasonTooLarge, "x"), long[:events.MaxBody], long[:events.MaxBody], events.ReasonTooLarge},
		{"first bytes of a longer body", events.Invalid(events.ReasonTooLarge, "x"), long, long[:events.MaxBody], events.ReasonTooLarge},
		{"error without a reason", events.ErrInvalid, []byte("x"), []byte("x"), events.ReasonMalformed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b, in := mustBench(t), newInbox()
			var received time.Time
			b.Consume("c", "t", in, pipeline.Chain{{Name: "only", Stage: stageFunc(func(_ context.Context, env *pipeline.Envelope) error {
				env.Receipt.Via, received = "127.0.0.1:4150", env.Receipt.ReceivedAt
				return tt.err
			})}})
			b.start(t)
			in.send(string(tt.body))
			encoded, err := pipeline.EncodeRejected((<-b.quarantine.Copies())[0])
			if err != nil {
				t.Fatal(err)
			}
			var got events.Rejected
			if err := json.Unmarshal(encoded, &got); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got.Body, tt.want) {
				t.Errorf("body of %d bytes, want %d of %d", len(got.Body), len(tt.want), len(tt.body))
			}
			if got.Reason != tt.reason || !strings.HasSuffix(got.Detail, tt.err.Error()) || got.Via != "127.0.0.1:4150" || !got.Time.Equal(received) {
				t.Errorf("got reason %s, detail %q, via %s, time %v", got.Reason, got.Detail, got.Via, got.Time)
			}
		})
	}
}

func TestEncodeRejected(t *testing.T) {
	got, err := pipeline.EncodeRejected(events.Rejected{
		Reason: events.ReasonMalformed, Detail: "cut", Time: time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC), Via: "127.0.0.1:4150", Body: []byte("{\x00"),
	})
	want := `{"reason":"malformed","detail":"cut","time":"2026-11-22T12:00:00Z","via":"127.0.0.1:4150","body":"ewA="}`
	if err != nil || string(got) != want {
		t.Errorf("got %s, %v; want %s", got, err, want)
	}
}
