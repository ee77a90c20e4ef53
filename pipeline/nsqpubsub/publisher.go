package nsqpubsub

import (
	"fmt"

	"github.com/ThreeDotsLabs/watermill/message"
)

// PublisherConfig describes a Publisher.
type PublisherConfig struct {
	ProducerConfig
	Marshaler Marshaler // default Plain
}

// Publisher is a message.Publisher that uses a Producer.
type Publisher struct {
	producer  *Producer
	marshaler Marshaler
}

var _ message.Publisher = (*Publisher)(nil)

// NewPublisher starts nothing: the first Publish finds the nsqd and connects.
func NewPublisher(cfg PublisherConfig) (*Publisher, error) {
	producer, err := NewProducer(cfg.ProducerConfig)
	if err != nil {
		return nil, err
	}
	if cfg.Marshaler == nil {
		cfg.Marshaler = Plain{}
	}
	return &Publisher{producer: producer, marshaler: cfg.Marshaler}, nil
}

// Messages that are published together are sent to nsqd in commands of at most maxBatch messages and maxBatchBytes bytes. The bytes are a
// fifth of what nsqd allows by default, so that nsqd receives a command well within PublishTimeout.
const (
	maxBatch      = 1000
	maxBatchBytes = 1 << 20
)

// Publish publishes the messages in order, with Producer.PublishAll: up to 1000 messages, and up to 1 MiB, in one command. The context
// of the first message in a command limits the time of that command. Publish stops at the first error: the commands before are
// published, the commands behind are not. If the Marshaler fails, nothing is published.
func (p *Publisher) Publish(topic string, messages ...*message.Message) error {
	bodies := make([][]byte, len(messages))
	for i, msg := range messages {
		body, err := p.marshaler.Marshal(topic, msg)
		if err != nil {
			return fmt.Errorf("nsqpubsub: message %s: %w", msg.UUID, err)
		}
		bodies[i] = body
	}
	for len(bodies) > 0 {
		n := batchLen(bodies)
		if err := p.producer.PublishAll(messages[0].Context(), topic, bodies[:n]); err != nil {
			return fmt.Errorf("nsqpubsub: %s: %w", describe(messages[:n]), err)
		}
		messages, bodies = messages[n:], bodies[n:]
	}
	return nil
}

// batchLen returns how many of the bodies are sent in the next command: at least one.
func batchLen(bodies [][]byte) int {
	size := 0
	for i, body := range bodies {
		size += len(body)
		if i == maxBatch || i > 0 && size > maxBatchBytes {
			return i
		}
	}
	return len(bodies)
}

func describe(messages []*message.Message) string {
	if len(messages) == 1 {
		return "message " + messages[0].UUID
	}
	return fmt.Sprintf("%d messages from %s to %s", len(messages), messages[0].UUID, messages[len(messages)-1].UUID)
}

// Close closes the Producer: see Producer.Close.
func (p *Publisher) Close() error { return p.producer.Close() }
