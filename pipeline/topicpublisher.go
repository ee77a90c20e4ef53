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

// dropLogRate is the maximum of dropped messages that are logged in a minute. All are counted.
const dropLogRate = 10

// TopicPublisher publishes messages of one kind to one topic, and records failures. It is safe for concurrent use.
type TopicPublisher struct {
	kind    string // of the messages, such as events
	topic   string
	to      message.Publisher
	counter prometheus.Counter
	log     *zap.Logger

	dropLog *zap.Logger // log, sampled

	outage        outage.Log
	unpublishable atomic.Uint64
}

func newTopicPublisher(kind, topic string, to message.Publisher, m *Metrics, log *zap.Logger) *TopicPublisher {
	log = log.With(zap.String("messages", kind), zap.String("topic", topic))
	return &TopicPublisher{
		kind:    kind,
		topic:   topic,
		to:      to,
		counter: m.unpublishable.WithLabelValues(kind),
		log:     log,
		dropLog: sampled(log, time.Minute, dropLogRate),
	}
}

// Publish returns nil if the message is published, or if it is unpublishable: then it is dropped, counted and logged, because it
// would block the messages behind it forever. After any other error the caller may publish it again.
func (p *TopicPublisher) Publish(msg *message.Message) error {
	err := p.to.Publish(p.topic, msg)
	switch {
	case err == nil:
		p.succeeded()
	case nsqpubsub.Unpublishable(err):
		p.drop(msg, err)
		return nil
	case msg.Context().Err() == nil: // else the caller does not wait any more
		if p.outage.Failed(time.Now(), err) {
			p.log.Error("messages cannot be published and wait; this is logged once a minute", zap.Error(err))
		}
	}
	return err
}

func (p *TopicPublisher) succeeded() {
	if since, failed := p.outage.Succeeded(); failed {
		p.log.Info("messages are published again", zap.Duration("after", time.Since(since)))
	}
}

func (p *TopicPublisher) drop(msg *message.Message, err error) {
	if errors.Is(err, nsqpubsub.ErrUnpublishable) {
		p.succeeded() // nsqd has responded
	}
	p.unpublishable.Add(1)
	p.counter.Inc()
	p.dropLog.Error("message dropped: nsqd never accepts it", zap.String("id", msg.UUID), zap.Int("bytes", len(msg.Payload)), zap.Error(err))
}

// Failing returns since when publishing fails, and the last error, or zero and nil if the last publish succeeded.
func (p *TopicPublisher) Failing() (since time.Time, err error) { return p.outage.Current() }

// Unpublishable returns the number of messages that were dropped because nsqd never accepts them.
func (p *TopicPublisher) Unpublishable() uint64 { return p.unpublishable.Load() }
