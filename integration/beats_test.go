package integration

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"rollcall/events"
	"rollcall/pipeline/nsqpubsub"
)

// beatLog hears every heartbeat, as an API server does, and keeps how long each took on its way. A beat that comes twice
// counts when it first comes.
type beatLog struct {
	mu    sync.Mutex
	beats map[string]beatArrival // by server and seq
}

type beatArrival struct {
	sent  time.Time
	delay time.Duration
}

func hearBeats(tb testing.TB, nsqd ...string) *beatLog {
	tb.Helper()
	l := &beatLog{beats: make(map[string]beatArrival)}
	consumer, err := nsqpubsub.NewConsumer(nsqpubsub.ConsumerConfig{
		Cluster: nsqpubsub.Cluster{NSQD: nsqd}, Topic: events.HeartbeatTopic, Channel: "test#ephemeral",
	})
	must(tb, err)
	run(tb, "beat log", func(ctx context.Context) error { return consumer.Run(ctx, l.note) })
	return l
}

func (l *beatLog) note(_ context.Context, d *nsqpubsub.Delivery) error {
	h, err := events.DecodeHeartbeat(d.Body)
	if err != nil || h.Type != events.KindHeartbeat {
		return nil // not what is asked for
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	nth := fmt.Sprintf("%s/%d/%d", h.ID, h.Incarnation, h.Seq)
	if _, twice := l.beats[nth]; !twice {
		l.beats[nth] = beatArrival{h.SentAt, time.Since(h.SentAt)}
	}
	return nil
}

// delays are those of the beats sent between two moments.
func (l *beatLog) delays(from, to time.Time) []time.Duration {
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
