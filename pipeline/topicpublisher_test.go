package pipeline_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/nsqio/nsq/nsqd"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"rollcall/events"
	"rollcall/pipeline"
	"rollcall/pipeline/nsqpubsub"
	"rollcall/services/embednsq"
)

// picky is a publisher that answers each body as it is told.
type picky struct {
	mu      sync.Mutex
	answers map[string]error
	taken   []string
}

func (p *picky) Publish(_ string, messages ...*message.Message) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, m := range messages {
		if err := p.answers[string(m.Payload)]; err != nil {
			return err
		}
		p.taken = append(p.taken, string(m.Payload))
	}
	return nil
}

func (p *picky) Close() error { return nil }

func (p *picky) answer(body string, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answers[body] = err
}

func TestWhatIsRefusedForGoodHoldsUpNobody(t *testing.T) {
	for name, err := range map[string]error{
		"nsqd refuses it":                         fmt.Errorf("nsqpubsub: publish: %w: E_BAD_MESSAGE", nsqpubsub.ErrUnpublishable),
		"one refuses it and others do not answer": errors.Join(nsqpubsub.ErrUnpublishable, nsqpubsub.ErrTimeout),
		"it is too large for the producer":        nsqpubsub.ErrTooLarge,
		"its topic has a bad name":                nsqpubsub.ErrTopic,
		"it is empty":                             nsqpubsub.ErrEmpty,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b, from := mustBench(t), make(chan string, 10)
				to := &picky{answers: map[string]error{"bad": err}}
				s := pipeline.NewSource(from, bytesOf, zap.NewNop())
				s.ID = func(v string) string { return "id-of-" + v }
				outlet := b.Produce("events", s, "out", to)
				stop := b.start(t)
				for _, body := range []string{"a", "bad", "b", "bad", "c"} {
					from <- body
				}
				synctest.Wait()
				if want := []string{"a", "b", "c"}; !slices.Equal(to.taken, want) {
					t.Errorf("published %q, want %q", to.taken, want)
				}
				if n := b.count(t, "rollcall_messages_refused_total", "messages", "events"); n != 2 || outlet.Refused() != 2 {
					t.Errorf("counted %d and %d, want 2", n, outlet.Refused())
				}
				dropped := b.logs.FilterMessageSnippet("message dropped").All()
				if len(dropped) != 2 || dropped[0].ContextMap()["id"] != "id-of-bad" || dropped[0].ContextMap()["bytes"] != int64(3) {
					t.Errorf("logged %+v, want twice the id and the size", dropped)
				}
				if since, err := outlet.Failing(); err != nil || !since.IsZero() {
					t.Errorf("fails since %v: %v, want no failure", since, err)
				}
				stop()
				if left := s.Unacked(); left != nil {
					t.Errorf("%q are left", left)
				}
			})
		})
	}
}

func TestAFailureThatLastsIsLoggedOnceAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, from, start := mustBench(t), make(chan string, 10), time.Now()
		to := &picky{answers: map[string]error{"a": nsqpubsub.ErrNoNSQD}}
		outlet := b.Produce("events", pipeline.NewSource(from, bytesOf, zap.NewNop()), "out", to)
		stop := b.start(t)
		from <- "a"
		time.Sleep(10*time.Minute - time.Second)
		if n := b.logs.Len(); n != 10 {
			t.Errorf("%d lines in ten minutes, want 10", n)
		}
		for _, line := range b.logs.All() {
			if text := fmt.Sprint(line.Message, line.ContextMap()); line.Level != zapcore.ErrorLevel ||
				!strings.Contains(text, nsqpubsub.ErrNoNSQD.Error()) || strings.Contains(text, "0x") {
				t.Errorf("%v: %s", line.Level, text)
			}
		}
		if since, err := outlet.Failing(); !errors.Is(err, nsqpubsub.ErrNoNSQD) || !since.Equal(start) {
			t.Errorf("fails since %v: %v, want since %v", since, err, start)
		}
		to.answer("a", nil)
		time.Sleep(time.Second)
		if n := b.logs.FilterMessage("messages are published again").Len(); n != 1 || b.logs.Len() != 11 {
			t.Errorf("%d lines of the recovery, and %d in all, want 1 and 11", n, b.logs.Len())
		}
		if since, err := outlet.Failing(); err != nil || !since.IsZero() {
			t.Errorf("fails since %v: %v, want no failure", since, err)
		}
		stop()
	})
}

// A stop is no failure of the brokers.
func TestTheStopIsNotLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, from := mustBench(t), make(chan string, 1)
		b.Produce("events", pipeline.NewSource(from, bytesOf, zap.NewNop()), "out", hanging{})
		stop := b.start(t)
		from <- "a"
		time.Sleep(time.Second)
		stop()
		if n := b.logs.Len(); n != 0 {
			t.Errorf("%+v, want no line", b.logs.All())
		}
	})
}

// hanging is a publisher to an nsqd that does not answer.
type hanging struct{}

func (hanging) Publish(_ string, messages ...*message.Message) error {
	ctx := messages[0].Context()
	<-ctx.Done()
	return ctx.Err()
}

func (hanging) Close() error { return nil }

// The copy of a message that is rejected may be too large for nsqd, too.
func TestACopyThatNSQDRefuses(t *testing.T) {
	small := embednsq.NSQDConfig{Tune: func(o *nsqd.Options) { o.MaxMsgSize = 2048 }}
	n := mustNSQWith(t, small, refusing(events.Invalid(events.ReasonMeta, "x")))
	copies, err := n.mustSubscriber(t).Subscribe(t.Context(), "t.invalid")
	if err != nil {
		t.Fatal(err)
	}
	n.start(t)
	n.mustPublish(t, bytes.Repeat([]byte("x"), 2000)) // in base64 it is too large
	counted := func() int { return n.count(t, "rollcall_messages_refused_total", "messages", "rejected") }
	poll := time.NewTicker(5 * time.Millisecond)
	defer poll.Stop()
	for begun := time.Now(); counted() != 1; {
		if (<-poll.C).Sub(begun) > 10*time.Second {
			t.Fatalf("%d are counted, want 1", counted())
		}
	}
	n.mustPublish(t, []byte("small"))
	msg := mustReceive(t, copies)
	if !bytes.Contains(msg.Payload, []byte("c21hbGw=")) {
		t.Errorf("got %s, want the copy of the second message", msg.Payload)
	}
	msg.Ack()
}
