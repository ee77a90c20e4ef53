package apiserver

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"rollcall/events"
	"rollcall/services/registry"
)

// What encoding/json would take for the same list.
func BenchmarkEncode(b *testing.B) {
	list := &registry.Snapshot{Revision: 118, Mode: registry.ModeNormal}
	at := time.Date(2026, 11, 22, 12, 0, 0, 123456789, time.UTC)
	for i := range 10_000 {
		list.Servers = append(list.Servers, &events.Server{
			Service: "data", ID: fmt.Sprintf("%032x", i), Addr: "10.0.0.7:8080", State: events.StateAlive,
			Incarnation: 1763812345678, Seq: 42, IntervalMS: 5000, TTLMS: 10000, Weight: 100, Zone: "a", Version: "1.4.2",
			Tags: []string{"blue"}, Meta: events.NewMeta(map[string]string{"rack": "r7"}), Load: &events.Load{InFlight: 3},
			RegisteredAt: at, LastSeen: at, AgeMS: 300, Via: "127.0.0.1:4150",
		})
	}
	b.Run("by=hand", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			b.SetBytes(int64(len(appendList(nil, list))))
		}
	})
	b.Run("by=encoding/json", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			body, err := json.Marshal(list)
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(len(body)))
		}
	})
}
