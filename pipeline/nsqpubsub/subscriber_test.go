package nsqpubsub_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill/message"

	"rollcall/integration/fixture"
	"rollcall/pipeline/nsqpubsub"
	"rollcall/services/embednsq"
)

// closeLimit is the maximum duration of Close, which must not wait for acks or readers.
const closeLimit = time.Second

func TestCloseDoesNotWaitForAcksOrReaders(t *testing.T) {
	rows := map[string]func(t *testing.T, messages <-chan *message.Message){
		"a message is not acked":    func(t *testing.T, messages <-chan *message.Message) { mustReceive(t, messages) },
		"the channel has no reader": func(*testing.T, <-chan *message.Message) {},
	}
	for name, arrange := range rows {
		t.Run(name, func(t *testing.T) {
			n := fixture.NSQD(t, embednsq.NSQDConfig{})
			cluster := nsqpubsub.Cluster{NSQD: []string{n.TCPAddr()}}
			s := mustSubscriber(t, subscriberConfig(cluster))
			messages := mustSubscribe(t, s, t.Context())
			p := mustProducer(t, nsqpubsub.ProducerConfig{Cluster: cluster})
			for i := range 10 {
				mustPublish(t, p, fmt.Sprint(i))
			}
			fixture.Eventually(t, time.Second, "every message is received", func() bool { return s.Nodes()[0].Received == 10 })
			arrange(t, messages)

			start := time.Now()
			for range 2 {
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			}
			if took := time.Since(start); took > closeLimit {
				t.Errorf("close took %v", took)
			}
			if _, open := <-messages; open {
				t.Error("the channel is open after close")
			}
			if _, err := s.Subscribe(t.Context(), "t"); !errors.Is(err, nsqpubsub.ErrClosed) {
				t.Errorf("subscribe after close: got %v", err)
			}
			// The messages are requeued at once, and not after nsqd's message timeout of a minute.
			c := mustRun(t, nsqpubsub.ConsumerConfig{Cluster: cluster})
			fixture.Eventually(t, 2*time.Second, "both messages arrive", func() bool { return c.has("0") && c.has("9") })
		})
	}
}

func TestMessageContext(t *testing.T) {
	type key struct{}
	n := fixture.NSQD(t, embednsq.NSQDConfig{})
	cluster := nsqpubsub.Cluster{NSQD: []string{n.TCPAddr()}}
	s := mustSubscriber(t, subscriberConfig(cluster))
	subscribed, cancel := context.WithCancel(context.WithValue(t.Context(), key{}, "value"))
	defer cancel()
	messages := mustSubscribe(t, s, subscribed)
	p := mustProducer(t, nsqpubsub.ProducerConfig{Cluster: cluster})

	ends := []struct {
		name string
		end  func(*message.Message)
	}{
		{"ack", func(m *message.Message) { m.Ack() }},
		{"nack", func(m *message.Message) { m.Nack() }},
		{"end of the subscription", func(*message.Message) { cancel() }},
	}
	for _, row := range ends {
		name := row.name
		mustPublish(t, p, name)
		m := mustReceive(t, messages)
		for string(m.Payload) != name { // the nacked message is delivered again
			m.Ack()
			m = mustReceive(t, messages)
		}
		derived, stop := context.WithTimeout(m.Context(), time.Hour)
		if derived.Value(key{}) != "value" {
			t.Errorf("%s: the context lacks a value of the subscription's context", name)
		}
		if d := nsqpubsub.BatchFromContext(derived); len(d) != 1 || d[0].NSQD != n.TCPAddr() || d[0].Timestamp.IsZero() {
			t.Errorf("%s: got deliveries %+v", name, d)
		}
		if derived.Err() != nil || m.Context().Err() != nil {
			t.Errorf("%s: the context ended too early", name)
		}
		row.end(m)
		select {
		case <-derived.Done():
		case <-time.After(time.Second):
			t.Errorf("%s did not end the context", name)
		}
		if err := m.Context().Err(); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: got error %v", name, err)
		}
		stop()
	}
}

func TestBatchFromOtherContext(t *testing.T) {
	if d := nsqpubsub.BatchFromContext(t.Context()); d != nil {
		t.Errorf("got %+v", d)
	}
}

func TestMessageThatCannotBeUnmarshaledIsLoggedAndDropped(t *testing.T) {
	n := fixture.NSQD(t, embednsq.NSQDConfig{})
	cluster := nsqpubsub.Cluster{NSQD: []string{n.TCPAddr()}}
	logger := watermill.NewCaptureLogger()
	cfg := subscriberConfig(cluster)
	cfg.Unmarshaler = envelope{}
	cfg.Logger = logger
	s := mustSubscriber(t, cfg)
	messages := mustSubscribe(t, s, t.Context())
	mustPublish(t, mustProducer(t, nsqpubsub.ProducerConfig{Cluster: cluster}), "not an envelope")
	pub := mustPublisher(t, nsqpubsub.PublisherConfig{
		ProducerConfig: nsqpubsub.ProducerConfig{Cluster: cluster},
		Marshaler:      envelope{},
	})
	for i := range 5 {
		if err := pub.Publish("t", message.NewMessage(fmt.Sprint(i), nil)); err != nil {
			t.Fatal(err)
		}
		mustReceive(t, messages).Ack()
	}
	fixture.Eventually(t, time.Second, "an error is logged", func() bool { return len(logger.Captured()[watermill.ErrorLogLevel]) == 1 })
	fixture.Eventually(t, time.Second, "nsqd counts 6 finished messages", func() bool {
		return strings.Contains(mustGet(t, n.HTTPAddr(), "/stats?format=json&topic=t"), `"finish_count":6,"requeue_count":0`)
	})
}

func TestNoMessageIsLostWhenNSQDRestarts(t *testing.T) {
	n := mustNSQDProcess(t, "")
	cluster := nsqpubsub.Cluster{NSQD: []string{n.TCPAddr()}}
	s := mustSubscriber(t, subscriberConfig(cluster))
	messages := mustSubscribe(t, s, t.Context())
	p := mustProducer(t, nsqpubsub.ProducerConfig{Cluster: cluster})

	const publishers, each = 20, 100
	var publishing sync.WaitGroup
	for i := range publishers {
		publishing.Go(func() {
			for j := range each {
				body := []byte(fmt.Sprintf("%d/%d", i, j))
				for p.Publish(t.Context(), "t", body) != nil && t.Context().Err() == nil {
					pauseBriefly()
				}
			}
		})
	}
	defer publishing.Wait()
	got := make(map[string]bool)
	restartAt := []int{publishers * each / 3, publishers * each / 2}
	for len(got) < publishers*each {
		m := mustReceive(t, messages)
		got[string(m.Payload)] = true
		m.Ack()
		if len(restartAt) > 0 && len(got) == restartAt[0] {
			restartAt = restartAt[1:]
			if err := n.restart(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestSubscribeInitializeNamesTheFailedNSQD(t *testing.T) {
	n := fixture.NSQD(t, embednsq.NSQDConfig{})
	dead := fixture.FreeAddr(t)
	s := mustSubscriber(t, subscriberConfig(nsqpubsub.Cluster{NSQD: []string{n.TCPAddr(), dead}}))
	if err := s.SubscribeInitialize("t"); err == nil || !strings.Contains(err.Error(), dead) {
		t.Errorf("got %v, want an error that names %s", err, dead)
	}
	if got := mustGet(t, n.HTTPAddr(), "/stats?format=json&topic=t"); !strings.Contains(got, `"channel_name":"c"`) {
		t.Errorf("the healthy nsqd has no channel: %s", got)
	}
	if err := s.SubscribeInitialize("a/b"); !errors.Is(err, nsqpubsub.ErrTopic) {
		t.Errorf("got %v, want ErrTopic", err)
	}
}

func TestOrderlyCloseLogsNoError(t *testing.T) {
	n := fixture.NSQD(t, embednsq.NSQDConfig{})
	logger := watermill.NewCaptureLogger()
	cfg := subscriberConfig(nsqpubsub.Cluster{NSQD: []string{n.TCPAddr()}})
	cfg.Logger = logger
	s := mustSubscriber(t, cfg)
	mustSubscribe(t, s, t.Context())
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if errs := logger.Captured()[watermill.ErrorLogLevel]; len(errs) != 0 {
		t.Errorf("an orderly close logged errors: %v", errs)
	}
}

func subscriberConfig(cluster nsqpubsub.Cluster) nsqpubsub.SubscriberConfig {
	return nsqpubsub.SubscriberConfig{ConsumerConfig: nsqpubsub.ConsumerConfig{Cluster: cluster, Channel: "c"}}
}

func mustSubscribe(t testing.TB, s *nsqpubsub.Subscriber, ctx context.Context) <-chan *message.Message {
	t.Helper()
	messages, err := s.Subscribe(ctx, "t")
	if err != nil {
		t.Fatal(err)
	}
	return messages
}

func mustReceive(t testing.TB, messages <-chan *message.Message) *message.Message {
	t.Helper()
	select {
	case m, open := <-messages:
		if !open {
			t.Fatal("the channel is closed")
		}
		return m
	case <-time.After(10 * time.Second):
		t.Fatal("no message in 10 s")
		return nil
	}
}

// pauseBriefly pauses between retries, to leave CPU time to nsqd.
func pauseBriefly() { <-time.After(10 * time.Millisecond) }
