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

// heartbeatLog hears every heartbeat, as an API server does, and keeps how long each took on its way. A beat that comes twice
// counts when it first comes.
type heartbeatLog struct {
	mu    sync.Mutex
	beats map[string]arrival // by server and seq
}

type arrival struct {
	sent  time.Time
	delay time.Duration
}

func startHeartbeatLog(tb testing.TB, nsqd ...string) *heartbeatLog {
	tb.Helper()
	l := &heartbeatLog{beats: make(map[string]arrival)}
	consumer, err := nsqpubsub.NewConsumer(nsqpubsub.ConsumerConfig{
		Cluster: nsqpubsub.Cluster{NSQD: nsqd}, Topic: events.HeartbeatTopic, Channel: "test#ephemeral",
	})
	fixture.Must(tb, err)
	harness.Run(tb, "beat log", func(ctx context.Context) error { return consumer.Run(ctx, l.record) })
	return l
}

func (l *heartbeatLog) record(_ context.Context, d *nsqpubsub.Delivery) error {
	h, err := events.DecodeHeartbeat(d.Body)
	if err != nil || h.Type != events.KindHeartbeat {
		return nil // not what is asked for
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	nth := fmt.Sprintf("%s/%d/%d", h.ID, h.Incarnation, h.Seq)
	if _, twice := l.beats[nth]; !twice {
		l.beats[nth] = arrival{h.SentAt, time.Since(h.SentAt)}
	}
	return nil
}

// delays are those of the beats sent between two moments.
func (l *heartbeatLog) delays(from, to time.Time) []time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	var delays []time.Duration
	for _, b := range l.beats {
		if b.sent.After(from) && b.sent.Before(to) {
			delays = append(delays, b.delay)
		}
	}
	return delays
}
