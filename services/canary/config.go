package canary

import (
	"cmp"
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"rollcall/pipeline/nsqpubsub"
	"rollcall/services/check"
)

// Publisher publishes through a given nsqd; *nsqpubsub.Producer implements it. PublishTo must return when ctx ends.
type Publisher interface {
	PublishTo(ctx context.Context, nsqd, topic string, body []byte) error
}

// DefaultInterval is the default of Config.Interval. The registry derives from it the time after which it considers an nsqd
// silent.
const DefaultInterval = time.Second

// Config configures a Sender. Fields without a default are required. The functions Nodes and Reconnect must not block.
type Config struct {
	ID        string                          // id of this API server
	Started   time.Time                       // start of this process, with a monotonic reading
	Topic     string                          // topic of the heartbeats
	Publisher Publisher                       // publishes the canaries
	Nodes     func() []nsqpubsub.ConsumerNode // state of the consumer's connections; the Sender ignores connections of other topics
	Reconnect func(nsqd string)               // rebuilds the consumer's connection to one nsqd

	Interval time.Duration // time between two canaries through one nsqd, and timeout of a canary; default DefaultInterval
	Silence  time.Duration // time without a message after which a connection is rebuilt; default 15 s

	Metrics prometheus.Registerer // default none
	Log     *zap.Logger           // default none
}

func (c *Config) setDefaults() {
	c.Interval = cmp.Or(c.Interval, DefaultInterval)
	c.Silence = cmp.Or(c.Silence, 15*time.Second)
	if c.Log == nil {
		c.Log = zap.NewNop()
	}
}

// Validate returns one error for each invalid field.
func (c Config) Validate() error {
	f := check.Of("canary")
	f.That(c.ID != "", "ID", "is empty")
	f.That(!c.Started.IsZero(), "Started", "is zero")
	f.That(c.Topic != "", "Topic", "is empty")
	f.That(c.Publisher != nil, "Publisher", "is nil")
	f.That(c.Nodes != nil, "Nodes", "is nil")
	f.That(c.Reconnect != nil, "Reconnect", "is nil")
	f.That(c.Interval >= 0, "Interval", "is negative")
	f.That(c.Silence >= 0, "Silence", "is negative")
	return f.Err()
}

// acceptedFor is how long an nsqd counts as working after it accepted a canary. It is two and a half intervals, so that one
// canary can fail.
func (c *Config) acceptedFor() time.Duration { return c.Interval * 5 / 2 }
