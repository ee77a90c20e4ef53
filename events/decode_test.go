package events_test

import (
	"testing"

	"rollcall/events"
)

var body250 = []byte(`{"v":1,"type":"heartbeat","service":"data","id":"9f0c2c5e","addr":"10.0.0.7:8080","incarnation":1763812345678,"seq":42,"interval_ms":5000,"ttl_ms":10000,"weight":100,"zone":"a","version":"1.4.2","tags":["blue"],"meta":{"rack":"r7"},"load":{"in_flight":3},"sent_at":"2026-11-22T12:00:00.123Z"}`)

func BenchmarkDecodeHeartbeat(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := events.DecodeHeartbeat(body250); err != nil {
			b.Fatal(err)
		}
	}
}
