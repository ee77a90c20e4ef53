package subscriber

import (
	"cmp"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"rollcall/events"
	"rollcall/pipeline/nsqpubsub"
)

// Config of a Subscriber. The zero value is useful but for NSQ.
type Config struct {
	NSQ   nsqpubsub.Cluster
	Topic string // default events.EventTopic

	// Channel is the NSQ channel. Each channel gets every event, and each event on it goes to one of the
	// processes that share it.
	//
	// "" is a channel of this Subscriber alone, under a random name: it hears every event from when it has
	// connected to an nsqd until Run ends (and first, as the first channel of a topic, what that nsqd has kept). What
	// is published while the connection is broken may be lost, and so is what exceeds nsqd's --mem-queue-size
	// (10 000) while a handler is slow.
	//
	// A name is for processes that share the work. NSQ keeps the events while none of them runs, unless the name
	// ends in #ephemeral. At most 64 characters of letters, digits, '.', '_' and '-', with the suffix.
	Channel string

	// Exclusive says that no other process consumes from the Channel named here. OnGap needs it, because
	// to each of several processes the events of the others would be missing.
	Exclusive bool

	// OnGap, if set, hears of events that did not come: time to list the servers again. One loss may be told in
	// several calls.
	OnGap func(Gap)

	// Grace is how long a revision may come after a later one before it is missing. The time that the handler,
	// OnGap and OnSkipped take does not count. Default 2 s.
	Grace time.Duration

	// OnSkipped, if set, hears of messages that are no event (events.ErrInvalid) or of a type that this version
	// does not know (events.ErrUnknownType). They are never delivered again. It may keep body.
	OnSkipped func(err error, body []byte)

	Memory     int           // ids of the events last handled, by which duplicates are found; default 10 000
	RetryDelay time.Duration // before an event whose handler failed comes again, default 1 s
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

// Validate names every field that cannot work. Zero stands for the default.
func (c Config) Validate() error {
	c.setDefaults()
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf("subscriber: "+format, args...))
		}
	}
	check(c.OnGap == nil || c.Exclusive, "OnGap: Channel %q may be shared; set Exclusive if it is not", c.Channel)
	check(c.Grace > 0, "Grace: %v is not positive", c.Grace)
	check(c.Memory > 0, "Memory: %d is not positive", c.Memory)
	check(c.RetryDelay > 0, "RetryDelay: %v is not positive", c.RetryDelay)
	_, err := nsqpubsub.NewConsumer(c.consumer())
	check(err == nil, "NSQ, Topic or Channel: %w", err)
	return errors.Join(errs...)
}

// consumer has one message in flight from each nsqd, and so one handler: what one nsqd sends stays in its order,
// and none waits so long behind others that nsqd sends it again. BenchmarkRun tells what that costs.
func (c *Config) consumer() nsqpubsub.ConsumerConfig {
	return nsqpubsub.ConsumerConfig{
		Cluster:      c.NSQ,
		Topic:        c.Topic,
		Channel:      c.Channel,
		MaxInFlight:  1,
		Initialize:   true, // an own channel hears only what is published after it is there
		RequeueDelay: c.RetryDelay,
	}
}
