package faults

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"rollcall/events"
	"rollcall/integration/fixture"
	"rollcall/integration/harness"
	"rollcall/pipeline/nsqpubsub"
	"rollcall/services/embednsq"
)

// As many servers as an API server allows by default register as fast as it can apply their heartbeats. No event is lost.
func TestRegistrationsOfAllServersLoseNoEvent(t *testing.T) {
	const servers = 100_000
	c := harness.NewCluster(t)
	// The queue is so long that nsqd itself drops no heartbeat: it drops what exceeds the memory queue of an ephemeral channel.
	n := fixture.NSQD(t, embednsq.NSQDConfig{Lookupd: []string{c.Lookupd.TCPAddr()}, MemQueueSize: 2 * servers})
	a := c.StartAPI("api-1", 1)

	var mu sync.Mutex
	seen := make(map[uint64]bool) // revisions
	consumer, err := nsqpubsub.NewConsumer(nsqpubsub.ConsumerConfig{
		Cluster: c.NSQ, Topic: events.EventTopic, Channel: "test", MaxInFlight: 1000, Batch: 64,
	})
	fixture.Must(t, err)
	harness.Run(t, "consumer of events", func(ctx context.Context) error {
		return consumer.RunBatches(ctx, func(_ context.Context, batch []nsqpubsub.Delivery) error {
			mu.Lock()
			defer mu.Unlock()
			for i := range batch {
				e, err := events.Decode(batch[i].Body)
				if err != nil {
					return err
				}
				seen[e.Details().Revision] = true
			}
			return nil
		})
	})
	begun := time.Now()
	harness.PublishAll(t, n.HTTPAddr(), events.HeartbeatTopic, servers, func(i int) []byte {
		return fmt.Appendf(nil, `{"v":1,"service":"data","id":"%016x","addr":"10.%d.%d.%d:80","incarnation":1,"seq":1,"interval_ms":60000,"ttl_ms":600000}`,
			i, i>>16, i>>8&255, i&255)
	})
	arrived := func() int {
		mu.Lock()
		defer mu.Unlock()
		return len(seen)
	}
	fixture.Eventually(t, 3*time.Minute, "all events arrive", func() bool {
		stats, err := a.Registry().Stats(t.Context())
		fixture.Must(t, err)
		return arrived()+int(stats.Dropped) >= servers
	})
	t.Logf("%d events within %v of the first heartbeat", servers, time.Since(begun))

	stats, err := a.Registry().Stats(t.Context())
	fixture.Must(t, err)
	if got := stats.Transitions[events.TypeRegistered][events.CauseHeartbeat]; got != servers || stats.Dropped != 0 {
		t.Errorf("%d servers registered, and %d events were dropped; want %d and 0", got, stats.Dropped, servers)
	}
	fixture.Eventually(t, 10*time.Second, "the last events arrive", func() bool { return uint64(arrived()) >= stats.Revision })
	for revision := range stats.Revision {
		mu.Lock()
		missing := !seen[revision+1]
		mu.Unlock()
		if missing {
			t.Fatalf("the event with revision %d is missing", revision+1)
		}
	}
}
