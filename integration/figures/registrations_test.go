package figures

import (
	"context"
	"encoding/json"
	"sync"
	"testing"
	"time"

	"rollcall/events"
	"rollcall/integration/fixture"
	"rollcall/integration/harness"
	"rollcall/pipeline/nsqpubsub"
)

// BenchmarkRegistrations registers 100 000 servers within 5 s at one process of "rollcall apiserver", through an nsqd in another process, and
// consumes the events. It fails if an event is missing. It reports the events per second, the time from the last heartbeat to the last event,
// and how many events waited in the outbox at most.
func BenchmarkRegistrations(b *testing.B) {
	for b.Loop() {
		measureRegistrations(b, 100_000)
	}
	b.ReportMetric(0, "ns/op") // do not report ns/op, which would include the start of the processes
}

func measureRegistrations(b *testing.B, servers int) {
	b.Helper()
	n := harness.StartNSQD(b)
	a := startAPI(b, n)
	defer a.Terminate()
	seen := countRegistered(b, n.TCP)
	begun := time.Now()
	c := startCrowd(b, n.TCP, servers)
	waiting := 0
	for seen.servers() < servers {
		if time.Since(begun) > time.Minute {
			b.Fatalf("the registrations of %d of %d servers arrived; outbox %+v", seen.servers(), servers, outboxOf(b, a))
		}
		waiting = max(waiting, outboxOf(b, a).Length)
		fixture.Sleep(50 * time.Millisecond)
	}
	took := time.Since(begun)
	c.Stop(b)
	if o := outboxOf(b, a); o.Dropped != 0 {
		b.Errorf("%d events were dropped", o.Dropped)
	}
	b.ReportMetric(float64(servers)/took.Seconds(), "events/s")
	b.ReportMetric(float64((took - crowdInterval).Milliseconds()), "behind-ms")
	b.ReportMetric(float64(waiting), "waiting-max")
}

type outboxState struct{ Length, Dropped int }

func outboxOf(b *testing.B, a measuredAPI) outboxState {
	b.Helper()
	var status struct{ Outbox outboxState }
	fixture.Must(b, json.Unmarshal(a.GetBody(b, "/v1/status"), &status))
	return status.Outbox
}

// registered holds the ids of the servers whose registered event arrived.
type registered struct {
	mu  sync.Mutex
	ids map[string]bool
}

func (r *registered) servers() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.ids)
}

// countRegistered consumes the events of an nsqd until the end of the benchmark.
func countRegistered(b *testing.B, nsqd string) *registered {
	b.Helper()
	r := &registered{ids: make(map[string]bool)}
	consumer, err := nsqpubsub.NewConsumer(nsqpubsub.ConsumerConfig{
		Cluster: nsqpubsub.Cluster{NSQD: []string{nsqd}}, Topic: events.EventTopic, Channel: "figures", MaxInFlight: 1000, Batch: 64,
	})
	fixture.Must(b, err)
	harness.Run(b, "consumer of events", func(ctx context.Context) error {
		return consumer.RunBatches(ctx, func(_ context.Context, batch []nsqpubsub.Delivery) error {
			r.mu.Lock()
			defer r.mu.Unlock()
			for i := range batch {
				e, err := events.Decode(batch[i].Body)
				if err != nil {
					return err
				}
				if e.Type() == events.TypeRegistered {
					r.ids[e.Details().Server.ID] = true
				}
			}
			return nil
		})
	})
	return r
}
