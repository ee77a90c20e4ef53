package nsqpubsub_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"rollcall/integration/fixture"
	"rollcall/pipeline/nsqpubsub"
	"rollcall/services/embednsq"
)

// batches runs a consumer of the topic "t" with the batch handler h until the test ends.
func batches(t *testing.T, cfg nsqpubsub.ConsumerConfig, h nsqpubsub.BatchHandler) {
	t.Helper()
	cfg.Topic, cfg.Channel = "t", "c"
	c, err := nsqpubsub.NewConsumer(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- c.RunBatches(ctx, h) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func TestBatchOfArrivedMessages(t *testing.T) {
	const messages, most = 200, 16
	n := fixture.NSQD(t, embednsq.NSQDConfig{})
	cluster := nsqpubsub.Cluster{NSQD: []string{n.TCPAddr()}}
	p := mustProducer(t, nsqpubsub.ProducerConfig{Cluster: cluster})
	for i := range messages {
		mustPublish(t, p, fmt.Sprint(i))
	}
	var mu sync.Mutex
	seen, largest := map[string]int{}, 0
	all := make(chan struct{})
	batches(t, nsqpubsub.ConsumerConfig{Cluster: cluster, MaxInFlight: 64, Batch: most}, func(_ context.Context, batch []nsqpubsub.Delivery) error {
		mu.Lock()
		defer mu.Unlock()
		largest = max(largest, len(batch))
		for i := range batch {
			seen[string(batch[i].Body)]++
		}
		if len(seen) == messages {
			close(all)
		}
		return nil
	})
	select {
	case <-all:
	case <-time.After(5 * time.Second):
		t.Fatalf("%d of %d messages arrived", len(seen), messages)
	}
	if largest < 2 || largest > most {
		t.Errorf("the largest batch has %d messages, want 2 to %d", largest, most)
	}
	mu.Lock()
	defer mu.Unlock()
	for body, times := range seen {
		if times != 1 {
			t.Errorf("%s arrived %d times", body, times)
		}
	}
}

func TestRetryRedeliversOneMessageOfABatch(t *testing.T) {
	n := fixture.NSQD(t, embednsq.NSQDConfig{})
	cluster := nsqpubsub.Cluster{NSQD: []string{n.TCPAddr()}}
	p := mustProducer(t, nsqpubsub.ProducerConfig{Cluster: cluster})
	for _, body := range []string{"a", "b", "c"} {
		mustPublish(t, p, body)
	}
	arrived := make(chan string, 100)
	batches(t, nsqpubsub.ConsumerConfig{Cluster: cluster, MaxInFlight: 8, Batch: 8}, func(_ context.Context, batch []nsqpubsub.Delivery) error {
		for i := range batch {
			arrived <- string(batch[i].Body)
			if d := &batch[i]; string(d.Body) == "b" && d.Attempts == 1 {
				d.Retry()
			}
		}
		return nil
	})
	var got []string
	for range 4 {
		select {
		case body := <-arrived:
			got = append(got, body)
		case <-time.After(10 * time.Second): // in a new channel, nsqd begins only after up to 5 s to deliver messages again
			t.Fatalf("got %q, want b twice", got)
		}
	}
	if last := got[3]; last != "b" {
		t.Errorf("%q was delivered again, want b", last)
	}
	if slices.Sort(got[:3]); !slices.Equal(got[:3], []string{"a", "b", "c"}) {
		t.Errorf("got %q first", got[:3])
	}
}

func TestWatermillMessageOfABatch(t *testing.T) {
	n := fixture.NSQD(t, embednsq.NSQDConfig{})
	cluster := nsqpubsub.Cluster{NSQD: []string{n.TCPAddr()}}
	p := mustProducer(t, nsqpubsub.ProducerConfig{Cluster: cluster})
	bodies := []string{"a", "b", "c", "d", "e"}
	for _, body := range bodies {
		mustPublish(t, p, body)
	}
	cfg := subscriberConfig(cluster)
	cfg.MaxInFlight, cfg.Batch = 8, 8 // a single goroutine handles up to 8 messages together
	messages := mustSubscribe(t, mustSubscriber(t, cfg), t.Context())
	var got []string
	take := func(m *message.Message) {
		batch := nsqpubsub.BatchFromContext(m.Context())
		if len(batch) == 0 || string(m.Payload) != string(batch[0].Body) {
			t.Fatalf("payload %q with a batch of %d", m.Payload, len(batch))
		}
		for _, d := range batch {
			got = append(got, string(d.Body))
		}
		m.Ack()
	}
	for len(got) < len(bodies) {
		take(mustReceive(t, messages))
	}
	if slices.Sort(got); !slices.Equal(got, bodies) {
		t.Errorf("got %q, want %q", got, bodies)
	}
}

func TestBatchRequiresPlain(t *testing.T) {
	cfg := subscriberConfig(nsqpubsub.Cluster{NSQD: []string{"127.0.0.1:4150"}})
	cfg.Batch, cfg.Unmarshaler = 2, envelope{}
	if _, err := nsqpubsub.NewSubscriber(cfg); err == nil {
		t.Error("NewSubscriber accepts a Batch with another Unmarshaler than Plain")
	}
}
