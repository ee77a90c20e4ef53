package canary

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"rollcall/pipeline/nsqpubsub"
)

// Publisher publishes through one nsqd and no other; *nsqpubsub.Producer does. It ends with ctx.
type Publisher interface {
	PublishTo(ctx context.Context, nsqd, topic string, body []byte) error
}

// DefaultInterval is the default of Config.Interval. The registry derives from it when an nsqd is silent.
const DefaultInterval = time.Second

// Config of a Sender. All that has no default is required. The functions must not block.
type Config struct {
	ID        string                          // of this API server
	Started   time.Time                       // when its process did, with a monotonic reading
	Topic     string                          // of the heartbeats
	Publisher Publisher                       // to each nsqd
	Nodes     func() []nsqpubsub.ConsumerNode // as the consumer sees them; those of other topics are left out
	Reconnect func(nsqd string)               // has the consumer's connection rebuilt

	Interval time.Duration // between two canaries through one nsqd, and what one may take; default 1 s
	Silence  time.Duration // after which a connection is rebuilt; default 15 s

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

// Validate names every field that is wrong.
func (c Config) Validate() error {
	var errs []error
	check := func(ok bool, what string) {
		if !ok {
			errs = append(errs, errors.New("canary: "+what))
		}
	}
	check(c.ID != "", "ID is empty")
	check(!c.Started.IsZero(), "Started is zero")
	check(c.Topic != "", "Topic is empty")
	check(c.Publisher != nil, "Publisher is nil")
	check(c.Nodes != nil, "Nodes is nil")
	check(c.Reconnect != nil, "Reconnect is nil")
	check(c.Interval >= 0, "Interval is negative")
	check(c.Silence >= 0, "Silence is negative")
	return errors.Join(errs...)
}

// answersFor is for how long an nsqd counts as answering after it took a canary, as long as it may be silent before it
// counts as blind.
func (c *Config) answersFor() time.Duration { return c.Interval * 5 / 2 }
