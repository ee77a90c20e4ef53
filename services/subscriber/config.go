package subscriber

import (
	"cmp"
	"crypto/rand"
	"fmt"
	"time"

	"rollcall/events"
	"rollcall/pipeline/nsqpubsub"
	"rollcall/services/check"
)

// Config configures a Subscriber. Only NSQ is required.
type Config struct {
	NSQ   nsqpubsub.Cluster
	Topic string // default events.EventTopic

	// Channel is the name of the NSQ channel. NSQ delivers every event to each channel, and within a channel to one of the
	// processes that consume from it.
	//
	// The default is an ephemeral channel with a random name, used by this Subscriber alone. It receives the events published
	// while Run is connected to the nsqd. If it is the first channel of the topic, it also receives the events that the
	// nsqd stored before. Events may be lost while the connection is broken, and when more than nsqd's --mem-queue-size
	// (10 000) wait for a slow handler.
	//
	// Processes that share the work use the same name. NSQ stores the events while no process is connected, unless the name
	// ends in #ephemeral. A name has at most 64 characters, including that suffix: letters, digits, '.', '_' and '-'.
	Channel string

	// Exclusive declares that no other process consumes from Channel. OnGap requires it: on a shared channel, each process
	// misses the events that NSQ delivers to the others.
	Exclusive bool

	// OnGap, if not nil, is called when events are missing. The program should then list the servers again. Several calls
	// may report parts of one loss.
	OnGap func(Gap)

	// Grace is the time for which a revision may arrive after a later revision without counting as missing. The time spent
	// in the handler, OnGap and OnSkipped does not count. Default 2 s.
	Grace time.Duration

	// OnSkipped, if not nil, is called for each message that is not an event (events.ErrInvalid) or whose type this version
	// does not know (events.ErrUnknownType). NSQ does not deliver such messages again. OnSkipped may keep the slice body.
	OnSkipped func(err error, body []byte)

	Memory     int           // number of event ids remembered to find duplicates; default 10 000
	RetryDelay time.Duration // delay until NSQ delivers an event again whose handler failed; default 1 s
}

func (c *Config) setDefaults() {
	c.Topic = cmp.Or(c.Topic, events.EventTopic)
	if c.Channel == "" {
		c.Channel, c.Exclusive = "subscriber-"+rand.Text()+"#ephemeral", true
	}
	c.Grace = cmp.Or(c.Grace, 2*time.Second)
	c.Memory = cmp.Or(c.Memory, 10_000)
	c.RetryDelay = cmp.Or(c.RetryDelay, time.Second)
	if c.OnSkipped == nil {
		c.OnSkipped = func(error, []byte) {}
	}
}

// Validate returns an error that names every invalid field. A zero field is valid and means its default.
func (c Config) Validate() error {
	c.setDefaults()
	f := check.Of("subscriber")
	f.That(c.OnGap == nil || c.Exclusive, "OnGap:", "Channel %q may be shared with other processes; if it is not, set Exclusive", c.Channel)
	f.That(c.Grace > 0, "Grace:", "%v is not positive", c.Grace)
	f.That(c.Memory > 0, "Memory:", "%d is not positive", c.Memory)
	f.That(c.RetryDelay > 0, "RetryDelay:", "%v is not positive", c.RetryDelay)
	_, err := nsqpubsub.NewConsumer(c.consumer())
	if err != nil {
		f.Add(fmt.Errorf("subscriber: NSQ, Topic or Channel: %w", err))
	}
	return f.Err()
}

// consumer returns the configuration of the NSQ consumer. It has one message in flight for each nsqd. So the messages of one
// nsqd keep their order, and no message waits so long behind others that nsqd delivers it again. BenchmarkRun measures the
// cost.
func (c *Config) consumer() nsqpubsub.ConsumerConfig {
	return nsqpubsub.ConsumerConfig{
		Cluster:      c.NSQ,
		Topic:        c.Topic,
		Channel:      c.Channel,
		MaxInFlight:  1,
		Initialize:   true, // a new channel receives only what is published after its creation
		RequeueDelay: c.RetryDelay,
	}
}
