package subscriber_test

import (
	"context"
	"testing"

	"rollcall/events"
	"rollcall/pipeline/nsqpubsub"
	"rollcall/services/embednsq"
	"rollcall/services/subscriber"
)

// BenchmarkRun measures the time per event while further events wait. With one message in flight, each event costs a round
// trip to nsqd: 60 to 100 us on loopback and two cores; add the round-trip time of your network.
func BenchmarkRun(b *testing.B) {
	cluster := nsqpubsub.Cluster{NSQD: []string{mustNSQD(b, embednsq.NSQDConfig{MemQueueSize: int64(b.N) + 1}).TCPAddr()}}
	p := mustProducer(b, cluster)
	for i := range b.N {
		mustPublish(b, p, mustEncode(b, mustEvent(b, events.TypeUpdated, "api-1", uint64(i+1))))
	}
	sub, err := subscriber.New(subscriber.Config{NSQ: cluster, OnGap: func(subscriber.Gap) {}})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	handled := 0
	b.ResetTimer()
	if err := sub.Run(ctx, func(context.Context, events.Event) error {
		if handled++; handled == b.N {
			b.StopTimer()
			cancel()
		}
		return nil
	}); err != nil {
		b.Fatal(err)
	}
}
