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
)

// heartbeatLog subscribes to the heartbeats as an API server does, and keeps the delay of each heartbeat. If a heartbeat arrives more than
// once, only its first arrival counts.
type heartbeatLog struct {
	mu       sync.Mutex
	arrivals map[string]arrival // first arrival of each heartbeat; the key is made of the server, the incarnation and seq
}

type arrival struct {
	sent  time.Time
	delay time.Duration
}

func startHeartbeatLog(tb testing.TB, nsqd ...string) *heartbeatLog {
	tb.Helper()
	l := &heartbeatLog{arrivals: make(map[string]arrival)}
	consumer, err := nsqpubsub.NewConsumer(nsqpubsub.ConsumerConfig{
		Cluster: nsqpubsub.Cluster{NSQD: nsqd}, Topic: events.HeartbeatTopic, Channel: "test#ephemeral",
	})
	fixture.Must(tb, err)
	harness.Run(tb, "heartbeat log", func(ctx context.Context) error { return consumer.Run(ctx, l.record) })
	return l
}

func (l *heartbeatLog) record(_ context.Context, d *nsqpubsub.Delivery) error {
	h, err := events.DecodeHeartbeat(d.Body)
	if err != nil || h.Type != events.KindHeartbeat {
		return nil // the message is a canary or a leave, not a heartbeat
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	key := fmt.Sprintf("%s/%d/%d", h.ID, h.Incarnation, h.Seq)
	if _, known := l.arrivals[key]; !known {
		l.arrivals[key] = arrival{h.SentAt, time.Since(h.SentAt)}
	}
	return nil
}

// delays returns the delays of the heartbeats that were sent in a period.
func (l *heartbeatLog) delays(from, to time.Time) []time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	var delays []time.Duration
	for _, b := range l.arrivals {
		if b.sent.After(from) && b.sent.Before(to) {
			delays = append(delays, b.delay)
		}
	}
	return delays
}
