package app

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"rollcall/pipeline/nsqpubsub"
	"rollcall/services/registry"
)

const (
	maxReasons  = 3               // that one sentence has
	pausedEvery = 5 * time.Second // between two questions for what is paused, while the mode is blind
)

// hearing says why nothing is heard.
type hearing struct {
	cluster        nsqpubsub.Cluster
	topic, channel string
	subscriber     *nsqpubsub.Subscriber
	paused         atomic.Pointer[[]nsqpubsub.Pause] // as it was found last; nil: not asked
}

// why is the cause in words. It does not block.
func (h *hearing) why() string {
	d := deafness{topic: h.topic, channel: h.channel, lookups: h.subscriber.Lookups(), nodes: h.subscriber.Nodes()}
	if p := h.paused.Load(); p != nil {
		d.paused = *p
	}
	return d.String()
}

// run asks nsqd for what is paused while the mode is blind, until ctx ends.
func (h *hearing) run(ctx context.Context, r *registry.Registry) error {
	ticks := time.NewTicker(pausedEvery)
	defer ticks.Stop()
	snapshots, blind := r.Watch(ctx), false
	for {
		select {
		case s, open := <-snapshots:
			if !open {
				snapshots = nil // the registry has stopped
				continue
			}
			before := blind
			if blind = s.Mode == registry.ModeBlind; blind == before {
				continue
			}
		case <-ticks.C:
		case <-ctx.Done():
			return nil
		}
		h.paused.Store(nil)
		if blind {
			h.look(ctx)
		}
	}
}

func (h *hearing) look(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, pausedEvery)
	defer cancel()
	paused, _ := h.cluster.Paused(ctx, h.topic, h.channel) // why one cannot be asked is in the state of nsqd and nsqlookupd
	h.paused.Store(&paused)
}

// deafness is what is known about the brokers while nothing is heard.
type deafness struct {
	topic, channel string
	lookups        []nsqpubsub.LookupState
	nodes          []nsqpubsub.ConsumerNode
	paused         []nsqpubsub.Pause
}

func (d deafness) String() string {
	var apart []string
	for _, n := range d.nodes {
		if !n.Connected {
			apart = append(apart, fmt.Sprintf("nsqd %s: %s", n.Address, whyApart(n.Err)))
		}
	}
	switch connected := len(d.nodes) - len(apart); {
	case len(d.nodes) == 0 && len(d.lookups) == 0:
		return "no nsqd is known yet"
	case len(d.nodes) == 0:
		return "no nsqd is known (" + list(d.lookups) + ")"
	case connected == 0:
		return "none can be consumed from (" + list(apart) + ")"
	case len(d.paused) > 0:
		return list(d.paused)
	case len(apart) > 0:
		return fmt.Sprintf("%d are connected and deliver nothing, others are not connected (%s)", connected, list(apart))
	}
	return fmt.Sprintf("all are connected and deliver nothing; topic %s or channel %s may be paused", d.topic, d.channel)
}

func whyApart(err error) string {
	if err == nil {
		return "not connected yet"
	}
	for _, sign := range []string{"E_AUTH", "E_UNAUTHORIZED", "Auth Required"} {
		if strings.Contains(err.Error(), sign) {
			return fmt.Sprintf("authorisation is refused, look at nsq.auth (%v)", err)
		}
	}
	return err.Error()
}

// list joins reasons, the first few of many.
func list[T any](reasons []T) string {
	var b strings.Builder
	for i, r := range reasons {
		if i == maxReasons {
			fmt.Fprintf(&b, "; and %d more", len(reasons)-i)
			break
		}
		if i > 0 {
			b.WriteString("; ")
		}
		fmt.Fprint(&b, r)
	}
	return b.String()
}
