package pipeline

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"rollcall/events"
	"rollcall/pipeline/nsqpubsub"
)

// handler passes the messages of one subscription through a chain.
type handler struct {
	chain      Chain
	counters   []*stageCounters // counters[i] belongs to chain[i]
	metrics    *Metrics
	quarantine *Quarantine
	skew       *ClockSkew
	log        *zap.Logger // logs the same text at most once a minute
}

func newHandler(chain Chain, m *Metrics, q *Quarantine, skew *ClockSkew, log *zap.Logger) *handler {
	sampled := zap.WrapCore(func(c zapcore.Core) zapcore.Core { return zapcore.NewSamplerWithOptions(c, time.Minute, 1, 0) })
	h := &handler{chain: chain, metrics: m, quarantine: q, skew: skew, log: log.WithOptions(sampled)}
	for _, named := range chain {
		h.counters = append(h.counters, m.of(named.Name))
	}
	return h
}

// handle is a message.NoPublishHandlerFunc: Watermill acks the message if handle returns nil, and nacks it if handle returns an error.
// A Watermill message can represent several NSQ messages, each with its own outcome.
func (h *handler) handle(msg *message.Message) error {
	ctx := msg.Context()
	batch := nsqpubsub.BatchFromContext(ctx)
	if len(batch) == 0 {
		now := time.Now()
		return h.process(ctx, &Envelope{Payload: msg.Payload, Receipt: events.Receipt{PublishedAt: now, ReceivedAt: now}})
	}
	env := new(Envelope) // one Envelope for all messages, because no stage keeps it
	for i := range batch {
		d := &batch[i]
		*env = Envelope{Payload: d.Body, Receipt: events.Receipt{Via: d.NSQD, PublishedAt: d.Timestamp, ReceivedAt: time.Now()}}
		env.Receipt.Delay = h.skew.Delay(env.Receipt)
		h.metrics.queueDelay.Observe(env.Receipt.Delay.Seconds())
		if err := h.process(ctx, env); err != nil {
			d.Retry()
			if ctx.Err() == nil {
				h.log.Error("message not processed; it is delivered again, and further ones are not logged for a minute", zap.Error(err))
			}
		}
	}
	return nil
}

// process passes one message through the chain. It returns an error if the message must be delivered again. If a stage panics, process
// rejects the message, because NSQ would deliver it again without end.
func (h *handler) process(ctx context.Context, env *Envelope) error {
	defer func() {
		if p := recover(); p != nil {
			h.log.Error("stage panicked", zap.Any("panic", p), zap.Stack("stack"))
			h.quarantine.add(env, events.Invalid(events.ReasonMalformed, "stage panicked: %v", p))
		}
	}()
	err := h.runStages(ctx, env)
	switch OutcomeOf(err) {
	case OutcomeDropped:
		if drop := (*DropError)(nil); errors.As(err, &drop) {
			h.metrics.rejected.WithLabelValues(string(drop.Reason)).Inc()
		}
	case OutcomeRejected:
		h.quarantine.add(env, err)
	case OutcomeRetried:
		return err
	}
	return nil
}

// runStages returns the error of the first stage that returns one.
func (h *handler) runStages(ctx context.Context, env *Envelope) error {
	for i, named := range h.chain {
		err := named.Stage.Process(ctx, env)
		h.counters[i][OutcomeOf(err)].Inc()
		if err != nil {
			return fmt.Errorf("stage %s: %w", named.Name, err)
		}
	}
	return nil
}
