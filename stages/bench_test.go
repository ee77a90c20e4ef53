package stages_test

import (
	"context"
	"strconv"
	"strings"
	"testing"
	"time"

	"rollcall/events"
	"rollcall/pipeline"
	"rollcall/stages"
)

type noRegistry struct{}

func (noRegistry) Observe(context.Context, *events.Heartbeat, events.Receipt) error { return nil }
func (noRegistry) Tick(context.Context, time.Time, []string) error                  { return nil }

// BenchmarkHeartbeats measures all stages for a heartbeat of 250 bytes with a new seq, without Watermill and with a registry
// that does nothing.
func BenchmarkHeartbeats(b *testing.B) {
	const seq = 1_000_000_000
	body := []byte(`{"v":1,"type":"heartbeat","service":"data","id":"9f0c1d2e3f40516273849","addr":"10.0.0.7:8080",` +
		`"incarnation":1763812345678,"seq":` + strconv.Itoa(seq) + `,"interval_ms":5000,"ttl_ms":10000,"weight":100,"zone":"a","version":"1.4.2",` +
		`"tags":["blue"],"meta":{"rk":"r"}}`)
	if len(body) != 250 {
		b.Fatalf("the body has %d bytes, want 250", len(body))
	}
	at := strings.Index(string(body), strconv.Itoa(seq))
	chain := stages.Heartbeats(noRegistry{}, stages.Decode{}, stages.Canary{}, stages.Validate{})
	receipt := events.Receipt{Via: "127.0.0.1:4150", PublishedAt: now, ReceivedAt: now}
	ctx := b.Context()
	b.ReportAllocs()
	for n := seq; b.Loop(); n++ {
		strconv.AppendInt(body[:at], int64(n), 10) // n replaces the former seq, which has ten digits as well
		env := pipeline.Envelope{Payload: body, Receipt: receipt}
		if err := run(ctx, chain, &env); err != nil {
			b.Fatal(err)
		}
	}
}
