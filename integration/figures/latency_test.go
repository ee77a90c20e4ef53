package figures

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"rollcall/events"
	"rollcall/integration/fixture"
	"rollcall/integration/harness"
	"rollcall/pipeline/nsqpubsub"
)

// BenchmarkHeartbeatToEvent measures the time from the first heartbeat of a new server to its registered event at a subscriber. That time
// includes the pipeline, the registry, the outbox, and nsqd twice: once for the heartbeat and once for the event.
func BenchmarkHeartbeatToEvent(b *testing.B) {
	c := harness.NewCluster(b)
	c.StartNSQD()
	c.StartNSQD()
	c.StartAPI("api-1", 2)
	producer, err := nsqpubsub.NewProducer(nsqpubsub.ProducerConfig{Cluster: c.NSQ})
	fixture.Must(b, err)
	b.Cleanup(func() { fixture.Must(b, producer.Close()) })
	seen := c.Watch()

	var took []time.Duration
	for b.Loop() {
		for range 500 {
			n := len(took)
			id, addr := fmt.Sprint(n), fmt.Sprintf("10.1.%d.%d:80", n>>8, n&255)
			body := fmt.Appendf(nil, `{"v":1,"service":"data","id":%q,"addr":%q}`, id, addr)
			start := time.Now()
			fixture.Must(b, producer.Publish(b.Context(), events.HeartbeatTopic, body))
			awaitRegistered(b, seen, id)
			took = append(took, time.Since(start))
		}
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
	b.ReportMetric(0, "ns/op") // do not report ns/op, which would be the time for 500 servers
}

func awaitRegistered(b *testing.B, seen <-chan events.Event, id string) {
	b.Helper()
	late := time.After(5 * time.Second)
	for {
		select {
		case e := <-seen: // the event can also be the expiry of an earlier server
			if e.Type() == events.TypeRegistered && e.Details().Server.ID == id {
				return
			}
		case <-late:
			b.Fatalf("no event for server %s", id)
		}
	}
}
