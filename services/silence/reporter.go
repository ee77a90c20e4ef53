// Package silence explains why no message arrives through any nsqd.
package silence

import (
	"context"
	"sync/atomic"
	"time"

	"rollcall/pipeline/nsqpubsub"
	"rollcall/services/registry"
)

// pauseInterval is the time between two queries for paused topics and channels, while the registry receives no message (mode blind).
const pauseInterval = 5 * time.Second

// Reporter explains from the state of the brokers why a subscriber receives no message.
type Reporter struct {
	cluster        nsqpubsub.Cluster
	topic, channel string
	subscriber     *nsqpubsub.Subscriber
	paused         atomic.Pointer[[]nsqpubsub.Pause] // result of the last query; nil if there is no result
}

// NewReporter returns a Reporter for a subscriber of the topic and channel.
func NewReporter(cluster nsqpubsub.Cluster, topic, channel string, subscriber *nsqpubsub.Subscriber) *Reporter {
	return &Reporter{cluster: cluster, topic: topic, channel: channel, subscriber: subscriber}
}

// Reason describes why no message arrives. It does not block.
func (r *Reporter) Reason() string {
	b := brokers{topic: r.topic, channel: r.channel, lookups: r.subscriber.Lookups(), nodes: r.subscriber.Nodes()}
	if p := r.paused.Load(); p != nil {
		b.paused = *p
	}
	return b.reason()
}

// Run runs until ctx ends. While the registry is blind, Run asks every nsqd in the list of nsqlookupd whether the topic or the channel is
// paused.
func (r *Reporter) Run(ctx context.Context, reg *registry.Registry) error {
	ticks := time.NewTicker(pauseInterval)
	defer ticks.Stop()
	memberships, blind := reg.Watch(ctx), false
	for {
		select {
		case m, open := <-memberships:
			if !open {
				memberships = nil // the registry has stopped
				continue
			}
			before := blind
			if blind = m.Mode == registry.ModeBlind; blind == before {
				continue
			}
		case <-ticks.C:
		case <-ctx.Done():
			return nil
		}
		r.paused.Store(nil)
		if blind {
			r.query(ctx)
		}
	}
}

func (r *Reporter) query(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, pauseInterval)
	defer cancel()
	paused, _ := r.cluster.Paused(ctx, r.topic, r.channel) // the error concerns unreachable brokers, which the subscriber reports
	r.paused.Store(&paused)
}
