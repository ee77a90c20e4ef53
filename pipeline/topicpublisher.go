package pipeline

import (
	"errors"
	"sync/atomic"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"rollcall/pipeline/nsqpubsub"
	"rollcall/pipeline/outage"
)

// refusedLog is how many refused messages are logged in a minute. All are counted.
const refusedLog = 10

// Outlet publishes messages of one kind to one topic, and knows since when that fails. It is safe for concurrent use.
type Outlet struct {
	topic   string
	to      message.Publisher
	counter prometheus.Counter
	log     *zap.Logger

	refusals *zap.Logger // log, sampled

	outage  outage.Log
	refused atomic.Uint64
}

func newOutlet(kind, topic string, to message.Publisher, m *Metrics, log *zap.Logger) *Outlet {
	log = log.With(zap.String("messages", kind), zap.String("topic", topic))
	return &Outlet{
		topic:    topic,
		to:       to,
		counter:  m.refused.WithLabelValues(kind),
		log:      log,
		refusals: sampled(log, time.Minute, refusedLog),
	}
}

// Publish returns nil if the message is published, and also if nsqd refuses it for good: then it is dropped, counted and
// logged, because it would hold up those behind it for ever. With any other error it may be published again.
func (o *Outlet) Publish(msg *message.Message) error {
	err := o.to.Publish(o.topic, msg)
	switch {
	case err == nil:
		o.succeeded()
	case nsqpubsub.Unpublishable(err):
		o.drop(msg, err)
		return nil
	case msg.Context().Err() == nil: // else nobody waits for it any more
		if o.outage.Failed(time.Now(), err) {
			o.log.Error("messages are not published; they wait, and this is logged once a minute", zap.Error(err))
		}
	}
	return err
}

func (o *Outlet) succeeded() {
	if since, failed := o.outage.Succeeded(); failed {
		o.log.Info("messages are published again", zap.Duration("after", time.Since(since)))
	}
}

func (o *Outlet) drop(msg *message.Message, err error) {
	if errors.Is(err, nsqpubsub.ErrUnpublishable) {
		o.succeeded() // nsqd can be reached
	}
	o.refused.Add(1)
	o.counter.Inc()
	o.refusals.Error("message dropped: nsqd refuses it for good", zap.String("id", msg.UUID), zap.Int("bytes", len(msg.Payload)), zap.Error(err))
}

// Failing returns since when nothing can be published, and why; zero and nil if the last message was published.
func (o *Outlet) Failing() (since time.Time, err error) { return o.outage.Current() }

// Refused is how many messages nsqd refused for good.
func (o *Outlet) Refused() uint64 { return o.refused.Load() }
