package dataserver

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"regexp"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"rollcall/events"
	"rollcall/pipeline/nsqpubsub"
)

const (
	// burst is the distance of the first beats, and of a beat to the failed one before it.
	burst = time.Second
	// minGap is the least distance of two beats: what a loop of updates cannot get below.
	minGap = 100 * time.Millisecond
	// jitter spreads servers that started together, as a part of the interval to either side.
	jitter = 0.1
)

// Config of an Agent. Addr, and NSQ or Publisher, must be given.
type Config struct {
	Service string // default events.DefaultService
	Addr    string // IP:port where the service answers, as its clients see it

	// ID names the server within its service, by default by its address. Give one that a restart keeps,
	// such as the name of a pod or host, where the address does not last: the new process then takes the
	// old one's place at once, told apart by its incarnation, instead of standing next to it until the TTL
	// ends. No two servers of a service may share one.
	ID string

	Description // how it begins

	Interval time.Duration // between heartbeats, at least 100 ms; default 5 s
	TTL      time.Duration // silence after which the server counts as dead, at least 2 intervals; default 2 intervals

	// Load is asked before each message, if given. Like OnError it is called by Run, never concurrently; the
	// beat waits for it, so it must not block.
	Load func() events.Load

	// OnError is told of each heartbeat that could not be published; the next follows within a second, or
	// the interval if that is less. It must not block.
	OnError func(error)

	// OnRecovery is told of the first heartbeat that is published after a failure, if given. It must not block.
	OnRecovery func()

	NSQ          nsqpubsub.Cluster
	Topic        string        // default events.HeartbeatTopic
	LeaveTimeout time.Duration // for the leave to be published, default 1 s

	// Publisher is used instead of NSQ if given, and is not closed: agents of one process may share it.
	Publisher Publisher

	// Metrics is where the agent's metrics are registered, if given. Agents that share it share them; wrap
	// it with labels to tell them apart.
	Metrics prometheus.Registerer
}

// Publisher publishes a message, as nsqpubsub.Producer does. Publish must end when ctx does.
type Publisher interface {
	Publish(ctx context.Context, topic string, body []byte) error
}

func (c *Config) setDefaults() {
	c.Service = cmp.Or(c.Service, events.DefaultService)
	if addr, err := events.ParseAddr(c.Addr); err == nil {
		c.Addr = addr.String() // one spelling of it, because it may become the id
	}
	c.ID = cmp.Or(c.ID, c.Addr)
	c.Description.setDefaults()
	c.Interval = cmp.Or(c.Interval, 5*time.Second)
	c.TTL = cmp.Or(c.TTL, 2*c.Interval)
	c.Topic = cmp.Or(c.Topic, events.HeartbeatTopic)
	c.LeaveTimeout = cmp.Or(c.LeaveTimeout, time.Second)
}

// Validate names every field that cannot work. Zero stands for the default.
func (c Config) Validate() error {
	c.setDefaults()
	errs := append(c.invalidFields(), checkAddr(c.Addr), c.checkTimes())
	if !topicName.MatchString(c.Topic) {
		errs = append(errs, fmt.Errorf("dataserver: Topic: %q is no name of an NSQ topic", c.Topic))
	}
	if c.Publisher == nil {
		if err := c.NSQ.Validate(); err != nil {
			errs = append(errs, fmt.Errorf("dataserver: NSQ: %w", err))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	return c.checkSize()
}

var topicName = regexp.MustCompile(`^[.a-zA-Z0-9_-]{1,64}$`)

// invalidFields judges each field on its own by the rules of the heartbeat, which name only the first
// that is wrong.
func (c *Config) invalidFields() []error {
	var errs []error
	valid := events.Heartbeat{V: 1, Type: events.KindHeartbeat, Service: events.DefaultService, ID: "id", Addr: "127.0.0.1:1"}
	check := func(field string, set func(*events.Heartbeat)) {
		h := valid
		set(&h)
		if err := h.Validate(); err != nil {
			errs = append(errs, fmt.Errorf("dataserver: %s: %w", field, err))
		}
	}
	check("Service", func(h *events.Heartbeat) { h.Service = c.Service })
	if c.ID != c.Addr {
		check("ID", func(h *events.Heartbeat) { h.ID = c.ID })
	}
	check("Interval", func(h *events.Heartbeat) { h.IntervalMS = c.Interval.Milliseconds() })
	check("TTL", func(h *events.Heartbeat) { h.TTLMS = c.TTL.Milliseconds() })
	check("Weight", func(h *events.Heartbeat) { h.Weight = c.Weight })
	check("Zone", func(h *events.Heartbeat) { h.Zone = c.Zone })
	check("Version", func(h *events.Heartbeat) { h.Version = c.Version })
	check("Tags", func(h *events.Heartbeat) { h.Tags = c.Tags })
	check("Meta", func(h *events.Heartbeat) { h.Meta = events.NewMeta(c.Meta) })
	return errs
}

// checkAddr refuses what every API server refuses, since nobody else would tell.
func checkAddr(s string) error {
	ap, err := events.ParseAddr(s)
	if err != nil {
		return fmt.Errorf("dataserver: Addr: %w", err)
	}
	if ip := ap.Addr(); !ip.IsGlobalUnicast() && !ip.IsLoopback() {
		return fmt.Errorf("dataserver: Addr: %v is not an address that others can reach", ap)
	}
	return nil
}

func (c *Config) checkTimes() error {
	var errs []error
	if c.Interval < minGap {
		errs = append(errs, fmt.Errorf("dataserver: Interval: %v is below %v", c.Interval, minGap))
	}
	if c.TTL < 2*c.Interval {
		errs = append(errs, fmt.Errorf("dataserver: TTL: %v is below two intervals of %v", c.TTL, c.Interval))
	}
	if c.LeaveTimeout < 0 {
		errs = append(errs, fmt.Errorf("dataserver: LeaveTimeout: %v is negative", c.LeaveTimeout))
	}
	return errors.Join(errs...)
}

// checkSize measures the longest heartbeat that c can lead to: each field may be within its bounds and
// all of them together too long.
func (c *Config) checkSize() error {
	h := c.heartbeat(c.Description)
	h.Incarnation, h.Seq, h.SentAt = math.MaxInt64, math.MaxUint64, time.Now()
	h.Load = &events.Load{InFlight: math.MinInt64}
	body, err := json.Marshal(h)
	if err != nil {
		return fmt.Errorf("dataserver: encode heartbeat: %w", err)
	}
	if len(body) > events.MaxBody {
		return fmt.Errorf("dataserver: Meta, Tags: heartbeat of %d bytes, want at most %d", len(body), events.MaxBody)
	}
	return nil
}

func (c *Config) heartbeat(d Description) events.Heartbeat {
	h := events.Heartbeat{
		V:          1,
		Type:       events.KindHeartbeat,
		Service:    c.Service,
		ID:         c.ID,
		Addr:       c.Addr,
		IntervalMS: c.Interval.Milliseconds(),
		TTLMS:      c.TTL.Milliseconds(),
	}
	d.describe(&h)
	return h
}
