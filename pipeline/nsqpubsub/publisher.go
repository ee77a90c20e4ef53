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

// Publish publishes the messages in order, each with Producer.Publish and the message's own context. It stops at the first error; the
// messages before the failed message are published.
func (p *Publisher) Publish(topic string, messages ...*message.Message) error {
	for _, msg := range messages {
		body, err := p.marshaler.Marshal(topic, msg)
		if err != nil {
			return fmt.Errorf("nsqpubsub: message %s: %w", msg.UUID, err)
		}
		if err := p.producer.Publish(msg.Context(), topic, body); err != nil {
			return fmt.Errorf("nsqpubsub: message %s: %w", msg.UUID, err)
		}
	}
	return nil
}

// Close closes the Producer: see Producer.Close.
func (p *Publisher) Close() error { return p.producer.Close() }
