package pipeline_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"rollcall/events"
	"rollcall/pipeline"
)

// bench is a router with its dependencies, logs and metrics.
type bench struct {
	*pipeline.Router
	quarantine *pipeline.Quarantine
	skew       *pipeline.ClockSkew
	counters   *prometheus.Registry
	logs       *observer.ObservedLogs
}

func mustBench(t *testing.T) *bench {
	t.Helper()
	core, logs := observer.New(zap.InfoLevel)
	b := &bench{counters: prometheus.NewRegistry(), skew: pipeline.NewClockSkew(time.Now()), logs: logs}
	metrics, err := pipeline.NewMetrics(b.counters)
	if err != nil {
		t.Fatal(err)
	}
	b.quarantine = pipeline.NewQuarantine(metrics, zap.New(core))
	if b.Router, err = pipeline.NewRouter(metrics, b.quarantine, b.skew, zap.New(core)); err != nil {
		t.Fatal(err)
	}
	return b
}

// start runs the router and waits until it is running. The function stop stops the router and waits until it has stopped.
func (b *bench) start(t *testing.T) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() { ran <- b.Run(ctx) }()
	<-b.Running()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ran; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	t.Cleanup(stop)
	return stop
}

// count returns the value of the counter with this name and these labels, given as pairs.
func (b *bench) count(t *testing.T, name string, labels ...string) int {
	t.Helper()
	families, err := b.counters.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			var pairs []string
			for _, l := range metric.GetLabel() {
				pairs = append(pairs, l.GetName(), l.GetValue())
			}
			if family.GetName() == name && slices.Equal(pairs, labels) {
				return int(metric.GetCounter().GetValue())
			}
		}
	}
	t.Fatalf("no metric %s%v", name, labels)
	return 0
}

func (b *bench) stage(t *testing.T, name, outcome string) int {
	t.Helper()
	return b.count(t, "rollcall_stage_messages_total", "outcome", outcome, "stage", name)
}

func (b *bench) rejected(t *testing.T, r events.Reason) int {
	t.Helper()
	return b.count(t, "rollcall_heartbeats_rejected_total", "reason", string(r))
}

// inbox is a Watermill subscriber with one subscription, to which send delivers messages.
type inbox struct {
	messages chan *message.Message
	closes   atomic.Int32
}

func newInbox() *inbox { return &inbox{messages: make(chan *message.Message)} }

func (i *inbox) Subscribe(ctx context.Context, _ string) (<-chan *message.Message, error) {
	out := make(chan *message.Message)
	go func() {
		defer close(out)
		for {
			select {
			case msg, open := <-i.messages:
				if !open {
					return
				}
				msg.SetContext(ctx)
				out <- msg
			case <-ctx.Done():
				return
			}
		}
	}()
	return out, nil
}

func (i *inbox) Close() error {
	i.closes.Add(1)
	return nil
}

// send delivers a message and reports whether it was acked.
func (i *inbox) send(body string) (acked bool) {
	msg := message.NewMessage("", []byte(body))
	i.messages <- msg
	select {
	case <-msg.Acked():
		return true
	case <-msg.Nacked():
		return false
	}
}

// outbox is a Watermill publisher that records the messages. While its field err is set, Publish returns that error and records nothing.
type outbox struct {
	mu     sync.Mutex
	err    error
	sent   []published
	closes int
}

type published struct {
	topic, body string
	at          time.Time
}

func (o *outbox) Publish(topic string, messages ...*message.Message) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case o.closes > 0:
		return errors.New("closed")
	case o.err != nil:
		return o.err
	}
	for _, msg := range messages {
		o.sent = append(o.sent, published{topic, string(msg.Payload), time.Now()})
	}
	return nil
}

func (o *outbox) Close() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closes++
	return nil
}

func (o *outbox) fail(err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.err = err
}

// of returns the messages published to the topic.
func (o *outbox) of(topic string) []published {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(o.sent), func(p published) bool { return p.topic != topic })
}

type stageFunc func(context.Context, *pipeline.Envelope) error

func (f stageFunc) Process(ctx context.Context, env *pipeline.Envelope) error { return f(ctx, env) }

// returning is a chain whose only stage returns err.
func returning(err error) pipeline.Chain {
	return pipeline.Chain{{Name: "only", Stage: stageFunc(func(context.Context, *pipeline.Envelope) error { return err })}}
}
