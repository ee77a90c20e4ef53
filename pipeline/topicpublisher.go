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

// dropLogRate is how many dropped messages are logged per minute at most. All dropped messages are counted.
const dropLogRate = 10

// TopicPublisher publishes messages of one kind to one topic, and records failures. It is safe for concurrent use.
type TopicPublisher struct {
	kind    string // kind of the messages, for example events
	topic   string
	to      message.Publisher
	counter prometheus.Counter
	log     *zap.Logger

	dropLog *zap.Logger // the logger log, limited to dropLogRate messages per minute

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

// Publish publishes messages in order. It returns nil if they are published. It also returns nil if a message is unpublishable: it drops,
// counts and logs such a message, because the message would block the messages behind it forever. After an error the caller may publish
// the messages again; some of them can be published already. All messages must have the same context.
func (p *TopicPublisher) Publish(messages ...*message.Message) error {
	if len(messages) == 0 {
		return nil
	}
	err := p.publish(messages)
	if err != nil && messages[0].Context().Err() == nil { // if the context has ended, the caller has stopped waiting, and the error is no failure
		if p.outage.Failed(time.Now(), err) {
			p.log.Error("messages cannot be published and wait; this is logged once a minute", zap.Error(err))
		}
	}
	return err
}

// publish publishes the messages together. If that fails, it publishes each half, so that an unpublishable message is dropped alone in the
// end. It does so after every error, because nsqd closes the connection when it rejects a message, so that the reason can be lost.
func (p *TopicPublisher) publish(messages []*message.Message) error {
	err := p.to.Publish(p.topic, messages...)
	switch half := len(messages) / 2; {
	case err == nil:
		p.succeeded()
	case half > 0 && messages[0].Context().Err() == nil:
		if err := p.publish(messages[:half]); err != nil {
			return err
		}
		return p.publish(messages[half:])
	case half == 0 && nsqpubsub.Unpublishable(err):
		p.drop(messages[0], err)
		return nil
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
		p.succeeded() // nsqd has responded, so it can be reached
	}
	p.unpublishable.Add(1)
	p.counter.Inc()
	p.dropLog.Error("message dropped: nsqd never accepts it", zap.String("id", msg.UUID), zap.Int("bytes", len(msg.Payload)), zap.Error(err))
}

// Failing returns the time of the first failure and the last error, or zero and nil if the last publish succeeded.
func (p *TopicPublisher) Failing() (since time.Time, err error) { return p.outage.Current() }

// Unpublishable returns the number of messages that were dropped because nsqd never accepts them.
func (p *TopicPublisher) Unpublishable() uint64 { return p.unpublishable.Load() }
