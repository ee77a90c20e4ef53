package pipeline_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"go.uber.org/zap"

	"rollcall/events"
	"rollcall/integration/fixture"
	"rollcall/pipeline"
	"rollcall/pipeline/nsqpubsub"
	"rollcall/services/embednsq"
)

// overNSQ is a router with a real nsqd. It passes the messages of the topic "t" through a chain in batches, and publishes rejected messages
// to the topic "t.invalid".
type overNSQ struct {
	*bench
	addr      string
	cluster   nsqpubsub.Cluster
	publisher *nsqpubsub.Publisher
}

func mustNSQ(t *testing.T, chain pipeline.Chain) *overNSQ {
	t.Helper()
	return mustNSQWith(t, embednsq.NSQDConfig{}, chain)
}

func mustNSQWith(t *testing.T, cfg embednsq.NSQDConfig, chain pipeline.Chain) *overNSQ {
	t.Helper()
	nsqd := fixture.NSQD(t, cfg)
	n := &overNSQ{bench: mustBench(t), addr: nsqd.TCPAddr(), cluster: nsqpubsub.Cluster{NSQD: []string{nsqd.TCPAddr()}}}
	var err error
	if n.publisher, err = nsqpubsub.NewPublisher(nsqpubsub.PublisherConfig{ProducerConfig: nsqpubsub.ProducerConfig{Cluster: n.cluster}}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = n.publisher.Close() })
	n.Consume("in", "t", n.mustSubscriber(t), chain)
	n.Produce("rejected", pipeline.NewSource(n.quarantine.Copies(), pipeline.EncodeRejected, zap.NewNop()), "t.invalid", n.publisher)
	return n
}

func (n *overNSQ) mustSubscriber(t *testing.T) *nsqpubsub.Subscriber {
	t.Helper()
	s, err := nsqpubsub.NewSubscriber(nsqpubsub.SubscriberConfig{ConsumerConfig: nsqpubsub.ConsumerConfig{
		Cluster: n.cluster, Channel: "test#ephemeral", Batch: 16, RequeueDelay: time.Millisecond,
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func (n *overNSQ) mustPublish(t *testing.T, body []byte) {
	t.Helper()
	if err := n.publisher.Publish("t", message.NewMessage("", body)); err != nil {
		t.Fatal(err)
	}
}

// mustReceive returns the next value, or fails the test after 20 s.
func mustReceive[T any](t *testing.T, from <-chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(20 * time.Second):
		t.Fatal("no value within 20s")
		panic("unreachable")
	}
}

func TestReceipt(t *testing.T) {
	before, got := time.Now(), make(chan events.Receipt, 1)
	n := mustNSQ(t, pipeline.Chain{{Name: "only", Stage: stageFunc(func(_ context.Context, env *pipeline.Envelope) error {
		got <- env.Receipt
		return nil
	})}})
	// Simulate an nsqd clock that was an hour ahead: messages with a timestamp of now have waited for an hour.
	n.skew.Learn(events.Receipt{Via: n.addr, PublishedAt: before.Add(time.Hour), ReceivedAt: before}, before)
	n.start(t)
	n.mustPublish(t, []byte("x"))
	r := mustReceive(t, got)
	if r.Via != n.addr || r.PublishedAt.Before(before) || r.ReceivedAt.Before(r.PublishedAt) || time.Since(r.ReceivedAt) > time.Minute {
		t.Errorf("got %+v, want a receipt from %s with a timestamp after %v", r, n.addr, before)
	}
	if late := r.Delay - time.Hour; late < -time.Second || late > time.Minute {
		t.Errorf("delay %v, want it corrected by the canary", r.Delay)
	}
	families, err := n.counters.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() == "rollcall_heartbeat_queue_delay_seconds" {
			if h := family.GetMetric()[0].GetHistogram(); h.GetSampleCount() != 1 || h.GetSampleSum() < 0 {
				t.Errorf("the delay histogram has %d samples, sum %v", h.GetSampleCount(), h.GetSampleSum())
			}
			return
		}
	}
	t.Error("no delay histogram")
}

// One handler call processes a batch of NSQ messages; only the messages that failed are delivered again.
func TestEachMessageOfABatchHasItsOwnOutcome(t *testing.T) {
	t.Parallel() // in parallel, because nsqd needs five seconds to requeue
	const messages = 60
	results := []error{nil, pipeline.Drop(events.ReasonStale), events.Invalid(events.ReasonWeight, "x"), errors.New("busy")}
	var mu sync.Mutex
	tries, all := make(map[int][]events.Receipt), make(chan struct{}, 2*messages)
	n := mustNSQ(t, pipeline.Chain{{Name: "only", Stage: stageFunc(func(_ context.Context, env *pipeline.Envelope) error {
		i, err := strconv.Atoi(string(env.Payload))
		if err != nil {
			t.Error(err)
		}
		all <- struct{}{}
		mu.Lock()
		defer mu.Unlock()
		tries[i] = append(tries[i], env.Receipt)
		if result := results[i%len(results)]; pipeline.OutcomeOf(result) != pipeline.OutcomeRetried || len(tries[i]) == 1 {
			return result
		}
		return nil
	})}})
	for i := range messages {
		n.mustPublish(t, []byte(strconv.Itoa(i)))
	}
	stop := n.start(t)
	for range messages + messages/len(results) {
		mustReceive(t, all)
	}
	stop()
	for i := range messages {
		got, want := tries[i], 1
		if i%len(results) == 3 {
			want = 2
		}
		if len(got) != want {
			t.Errorf("message %d was tried %d times, want %d", i, len(got), want)
		}
		if len(got) == 2 && (!got[0].PublishedAt.Equal(got[1].PublishedAt) || !got[1].ReceivedAt.After(got[0].ReceivedAt)) {
			t.Errorf("message %d: got %+v, want one timestamp and two times of receipt", i, got)
		}
	}
	if lines := n.logs.FilterMessageSnippet("delivered again"); lines.Len() != 1 {
		t.Errorf("%d log messages about retries, want one a minute", lines.Len())
	}
}

// The copy of a body near nsqd's size limit exceeds the limit, because the body is in base64 there. This copy must not block the copies
// behind it.
func TestHugeBodyDoesNotBlockQuarantine(t *testing.T) {
	n := mustNSQ(t, pipeline.Chain{{Name: "decode", Stage: stageFunc(func(_ context.Context, env *pipeline.Envelope) error {
		_, err := events.DecodeHeartbeat(env.Payload)
		return err
	})}})
	copies, err := n.mustSubscriber(t).Subscribe(t.Context(), "t.invalid")
	if err != nil {
		t.Fatal(err)
	}
	huge := bytes.Repeat([]byte("x"), 1<<20)
	n.start(t)
	n.mustPublish(t, huge)
	n.mustPublish(t, []byte("{"))
	want := map[events.Reason][]byte{events.ReasonTooLarge: huge[:events.MaxBody], events.ReasonMalformed: []byte("{")}
	for range 2 {
		msg := mustReceive(t, copies)
		var got events.Rejected
		if err := json.Unmarshal(msg.Payload, &got); err != nil {
			t.Fatal(err)
		}
		if body, ok := want[got.Reason]; !ok || !bytes.Equal(got.Body, body) {
			t.Errorf("unexpected copy of %d bytes, %s: %s", len(got.Body), got.Reason, got.Detail)
		}
		delete(want, got.Reason)
		msg.Ack()
	}
}
