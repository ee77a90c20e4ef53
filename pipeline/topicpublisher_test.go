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

// fakePublisher is a publisher. If one of the bodies is a key of its field errs, Publish returns the error there; else it records the bodies.
type fakePublisher struct {
	mu        sync.Mutex
	errs      map[string]error
	published []string
	calls     int // number of calls that published
}

func (p *fakePublisher) Publish(_ string, messages ...*message.Message) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, m := range messages {
		if err := p.errs[string(m.Payload)]; err != nil {
			return err
		}
	}
	p.calls++
	for _, m := range messages {
		p.published = append(p.published, string(m.Payload))
	}
	return nil
}

func (p *fakePublisher) Close() error { return nil }

func (p *fakePublisher) setError(body string, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.errs[body] = err
}

func TestUnpublishableMessagesAreDropped(t *testing.T) {
	for name, err := range map[string]error{
		"rejected by nsqd": fmt.Errorf("nsqpubsub: publish: %w: E_BAD_MESSAGE", nsqpubsub.ErrUnpublishable),
		"rejected by one nsqd, no response of the others": errors.Join(nsqpubsub.ErrUnpublishable, nsqpubsub.ErrTimeout),
		"too large for the producer":                      nsqpubsub.ErrTooLarge,
		"invalid topic":                                   nsqpubsub.ErrTopic,
		"empty":                                           nsqpubsub.ErrEmpty,
	} {
		t.Run(name+", one at a time", func(t *testing.T) {
			checkDropped(t, err, [][]string{{"a"}, {"bad"}, {"b"}, {"bad"}, {"c"}})
		})
		t.Run(name+", together", func(t *testing.T) {
			checkDropped(t, err, [][]string{{"a", "bad", "b"}, {"bad", "c"}})
		})
	}
}

// checkDropped publishes the batches, for whose bodies "bad" the publisher returns err. It fails unless these bodies alone are dropped.
func checkDropped(t *testing.T, err error, batches [][]string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b, from := mustBench(t), make(chan []string, 10)
		to := &fakePublisher{errs: map[string]error{"bad": err}}
		s := pipeline.NewSource(from, bytesOf, zap.NewNop())
		s.ID = func(v string) string { return "id-of-" + v }
		publisher := b.Produce("events", s, "out", to)
		stop := b.start(t)
		for _, batch := range batches {
			from <- batch
		}
		synctest.Wait()
		if want := []string{"a", "b", "c"}; !slices.Equal(to.published, want) {
			t.Errorf("published %q, want %q", to.published, want)
		}
		if n := b.count(t, "rollcall_messages_unpublishable_total", "messages", "events"); n != 2 || publisher.Unpublishable() != 2 {
			t.Errorf("counted %d and %d, want 2", n, publisher.Unpublishable())
		}
		dropped := b.logs.FilterMessageSnippet("message dropped").All()
		if len(dropped) != 2 || dropped[0].ContextMap()["id"] != "id-of-bad" || dropped[0].ContextMap()["bytes"] != int64(3) {
			t.Errorf("logged %+v, want two messages with id and size", dropped)
		}
		if since, err := publisher.Failing(); err != nil || !since.IsZero() {
			t.Errorf("failing since %v: %v, want no failure", since, err)
		}
		stop()
		if left := s.Unacked(); left != nil {
			t.Errorf("%q are unacked", left)
		}
	})
}

// nsqd closes the connection when it rejects a message, so a rejected batch can fail with any error. Its parts are published nevertheless,
// in order, up to the first message that fails alone. Then the batch waits, and all of it is published again.
func TestFailedBatchIsPublishedInParts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, from := mustBench(t), make(chan []string, 1)
		to := &fakePublisher{errs: map[string]error{"f": errors.New("connection reset")}}
		publisher := b.Produce("events", pipeline.NewSource(from, bytesOf, zap.NewNop()), "out", to)
		stop := b.start(t)
		from <- strings.Split("abcdefgh", "")
		synctest.Wait()
		if got := strings.Join(to.published, ""); got != "abcde" {
			t.Errorf("published %q, want abcde", got)
		}
		if _, err := publisher.Failing(); err == nil {
			t.Error("the failure is not recorded")
		}
		calls := to.calls
		to.setError("f", nil)
		time.Sleep(time.Second)
		synctest.Wait()
		if got := strings.Join(to.published, ""); got != "abcdeabcdefgh" || to.calls != calls+1 {
			t.Errorf("published %q with %d calls, want abcde, and then all with one call", got, to.calls-calls)
		}
		if _, err := publisher.Failing(); err != nil {
			t.Errorf("got %v after the success", err)
		}
		stop()
	})
}

func TestFailureIsLoggedOnceAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, from, start := mustBench(t), make(chan []string, 10), time.Now()
		to := &fakePublisher{errs: map[string]error{"a": nsqpubsub.ErrNoNSQD}}
		publisher := b.Produce("events", pipeline.NewSource(from, bytesOf, zap.NewNop()), "out", to)
		stop := b.start(t)
		from <- []string{"a"}
		time.Sleep(10*time.Minute - time.Second)
		if n := b.logs.Len(); n != 10 {
			t.Errorf("%d log messages in ten minutes, want 10", n)
		}
		for _, line := range b.logs.All() {
			if text := fmt.Sprint(line.Message, line.ContextMap()); line.Level != zapcore.ErrorLevel ||
				!strings.Contains(text, nsqpubsub.ErrNoNSQD.Error()) || strings.Contains(text, "0x") {
				t.Errorf("%v: %s", line.Level, text)
			}
		}
		if since, err := publisher.Failing(); !errors.Is(err, nsqpubsub.ErrNoNSQD) || !since.Equal(start) {
			t.Errorf("failing since %v: %v, want since %v", since, err, start)
		}
		to.setError("a", nil)
		time.Sleep(time.Second)
		if n := b.logs.FilterMessage("messages are published again").Len(); n != 1 || b.logs.Len() != 11 {
			t.Errorf("%d log messages about the recovery and %d in total, want 1 and 11", n, b.logs.Len())
		}
		if since, err := publisher.Failing(); err != nil || !since.IsZero() {
			t.Errorf("failing since %v: %v, want no failure", since, err)
		}
		stop()
	})
}

func TestStopIsNotLoggedAsFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, from := mustBench(t), make(chan []string, 1)
		b.Produce("events", pipeline.NewSource(from, bytesOf, zap.NewNop()), "out", hanging{})
		stop := b.start(t)
		from <- []string{"a"}
		time.Sleep(time.Second)
		stop()
		if n := b.logs.Len(); n != 0 {
			t.Errorf("logged %+v, want nothing", b.logs.All())
		}
	})
}

// hanging is a publisher to an nsqd that does not respond.
type hanging struct{}

func (hanging) Publish(_ string, messages ...*message.Message) error {
	ctx := messages[0].Context()
	<-ctx.Done()
	return ctx.Err()
}

func (hanging) Close() error { return nil }

// The copy of a rejected message can be too large for nsqd.
func TestUnpublishableCopy(t *testing.T) {
	small := embednsq.NSQDConfig{Tune: func(o *nsqd.Options) { o.MaxMsgSize = 2048 }}
	n := mustNSQWith(t, small, returning(events.Invalid(events.ReasonMeta, "x")))
	copies, err := n.mustSubscriber(t).Subscribe(t.Context(), "t.invalid")
	if err != nil {
		t.Fatal(err)
	}
	n.start(t)
	n.mustPublish(t, bytes.Repeat([]byte("x"), 2000)) // the copy is too large, because it contains the body in base64
	counted := func() int { return n.count(t, "rollcall_messages_unpublishable_total", "messages", "rejected") }
	poll := time.NewTicker(5 * time.Millisecond)
	defer poll.Stop()
	for begun := time.Now(); counted() != 1; {
		if (<-poll.C).Sub(begun) > 10*time.Second {
			t.Fatalf("%d unpublishable messages counted, want 1", counted())
		}
	}
	n.mustPublish(t, []byte("small"))
	msg := mustReceive(t, copies)
	if !bytes.Contains(msg.Payload, []byte("c21hbGw=")) {
		t.Errorf("got %s, want the copy of the second message", msg.Payload)
	}
	msg.Ack()
}
