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

// line runs the messages of one subscription through a chain: Watermill's handler.
type line struct {
	chain      Chain
	counters   []*stageCounters // parallel to chain
	metrics    *Metrics
	quarantine *Quarantine
	skew       *Skew
	log        *zap.Logger // one line a minute
}

func newLine(chain Chain, m *Metrics, q *Quarantine, skew *Skew, log *zap.Logger) *line {
	sampled := zap.WrapCore(func(c zapcore.Core) zapcore.Core { return zapcore.NewSamplerWithOptions(c, time.Minute, 1, 0) })
	l := &line{chain: chain, metrics: m, quarantine: q, skew: skew, log: log.WithOptions(sampled)}
	for _, named := range chain {
		l.counters = append(l.counters, m.of(named.Name))
	}
	return l
}

// handle is a message.NoPublishHandlerFunc: nil acks, an error nacks. A message of NSQ may stand for several, each
// with its own fate.
func (l *line) handle(msg *message.Message) error {
	ctx := msg.Context()
	batch := nsqpubsub.BatchFromContext(ctx)
	if len(batch) == 0 {
		now := time.Now()
		return l.pass(ctx, &Envelope{Payload: msg.Payload, Receipt: events.Receipt{PublishedAt: now, ReceivedAt: now}})
	}
	env := new(Envelope) // one for all: nobody keeps it
	for i := range batch {
		d := &batch[i]
		*env = Envelope{Payload: d.Body, Receipt: events.Receipt{Via: d.NSQD, PublishedAt: d.Timestamp, ReceivedAt: time.Now()}}
		env.Receipt.Delay = l.skew.Delay(env.Receipt)
		l.metrics.queueDelay.Observe(env.Receipt.Delay.Seconds())
		if err := l.pass(ctx, env); err != nil {
			d.Retry()
			if ctx.Err() == nil {
				l.log.Error("message not processed; it comes again, and more of these are not logged for a minute", zap.Error(err))
			}
		}
	}
	return nil
}

// pass takes one message through the chain and returns an error if it must come again. One that makes a stage panic
// must not: NSQ would deliver it for ever.
func (l *line) pass(ctx context.Context, env *Envelope) error {
	defer func() {
		if p := recover(); p != nil {
			l.log.Error("stage panicked", zap.Any("panic", p), zap.Stack("stack"))
			l.quarantine.add(env, events.Invalid(events.ReasonMalformed, "stage panicked: %v", p))
		}
	}()
	err := l.run(ctx, env)
	switch OutcomeOf(err) {
	case OutcomeDropped:
		if drop := (*DropError)(nil); errors.As(err, &drop) {
			l.metrics.rejected.WithLabelValues(string(drop.Reason)).Inc()
		}
	case OutcomeRejected:
		l.quarantine.add(env, err)
	case OutcomeRetried:
		return err
	}
	return nil
}

// run stops at the first stage that does not let the message pass.
func (l *line) run(ctx context.Context, env *Envelope) error {
	for i, named := range l.chain {
		err := named.Stage.Process(ctx, env)
		l.counters[i][OutcomeOf(err)].Inc()
		if err != nil {
			return fmt.Errorf("stage %s: %w", named.Name, err)
		}
	}
	return nil
}
