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

// BenchmarkBeatToEvent measures from the publishing of a new server's first heartbeat until a subscriber has its
// registered event: two passages through nsqd, the pipeline, the registry and the outbox.
func BenchmarkBeatToEvent(b *testing.B) {
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
	b.ReportMetric(0, "ns/op") // an op is 500 of them
}

func awaitRegistered(b *testing.B, seen <-chan events.Event, id string) {
	b.Helper()
	late := time.After(5 * time.Second)
	for {
		select {
		case e := <-seen: // earlier servers may expire meanwhile
			if e.Type() == events.TypeRegistered && e.Details().Server.ID == id {
				return
			}
		case <-late:
			b.Fatalf("no event of server %s", id)
		}
	}
}
