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

// Publisher is a message.Publisher on a Producer.
type Publisher struct {
	producer  *Producer
	marshaler Marshaler
}

var _ message.Publisher = (*Publisher)(nil)

// NewPublisher starts nothing: the first Publish looks for nsqd and connects.
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

// Publish publishes one message after the other, each as Producer.Publish does and within its own
// context, and stops at the first that fails; those before it are published.
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

// Nodes returns the nsqd known, sorted by address.
func (p *Publisher) Nodes() []ProducerNode { return p.producer.Nodes() }

// Close does what Producer.Close does.
func (p *Publisher) Close() error { return p.producer.Close() }
