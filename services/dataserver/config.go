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
	// burst is the time between the first three heartbeats, and the longest time from a failed heartbeat to the next.
	burst = time.Second
	// minGap is the shortest time between two heartbeats, however often Update is called.
	minGap = 100 * time.Millisecond
	// jitter bounds the random part of the interval: each interval is up to 10 % shorter or longer than Config.Interval. It
	// spreads the heartbeats of servers that started together.
	jitter = 0.1
)

// Config configures an Agent. Addr is required, and either NSQ or Publisher.
type Config struct {
	Service string // default events.DefaultService
	Addr    string // IP:port at which clients reach the server

	// ID identifies the server within its service; default Addr. No two servers of a service may have the same ID. Where a
	// restart changes the address, set an ID that stays, such as the name of the pod or host: the new process then replaces
	// the old process at once. With the default, both are registered until the TTL of the old process ends.
	ID string

	Description // the description at the start

	Interval time.Duration // time between heartbeats, at least 100 ms; default 5 s
	TTL      time.Duration // time without a heartbeat after which the server expires, at least 2 intervals; default 2 intervals

	// Load, if not nil, returns the load to publish. Run calls it before each message, never concurrently. It must not
	// block, because the heartbeat waits for it.
	Load func() events.Load

	// OnError, if not nil, is called for each heartbeat that could not be published. The next heartbeat follows after one
	// second, or after Interval if that is shorter. Run calls OnError, never concurrently; it must not block.
	OnError func(error)

	// OnRecovery, if not nil, is called when a heartbeat has been published for the first time after a failure. It must not
	// block.
	OnRecovery func()

	NSQ          nsqpubsub.Cluster
	Topic        string        // default events.HeartbeatTopic
	LeaveTimeout time.Duration // bound of publishing the leave; default 1 s

	// Publisher, if not nil, is used instead of NSQ. The agent does not close it, so several agents of a process may share
	// one.
	Publisher Publisher

	// Metrics, if not nil, registers the agent's metrics. Agents with the same Metrics count together; wrap it with labels
	// (prometheus.WrapRegistererWith) to count them apart.
	Metrics prometheus.Registerer
}

// Publisher publishes a message. nsqpubsub.Producer implements it. Publish must return when ctx ends.
type Publisher interface {
	Publish(ctx context.Context, topic string, body []byte) error
}

// Default returns the configuration in which every default is filled in.
func Default() Config {
	var c Config
	c.setDefaults()
	return c
}

func (c *Config) setDefaults() {
	c.Service = cmp.Or(c.Service, events.DefaultService)
	if addr, err := events.ParseAddr(c.Addr); err == nil {
		c.Addr = addr.String() // the canonical form, because the address may become the id
	}
	c.ID = cmp.Or(c.ID, c.Addr)
	c.Description.setDefaults()
	c.Interval = cmp.Or(c.Interval, 5*time.Second)
	c.TTL = cmp.Or(c.TTL, 2*c.Interval)
	c.Topic = cmp.Or(c.Topic, events.HeartbeatTopic)
	c.LeaveTimeout = cmp.Or(c.LeaveTimeout, time.Second)
}

// Validate returns an error that names every invalid field. A zero field is valid and means its default.
func (c Config) Validate() error {
	c.setDefaults()
	errs := append(c.invalidFields(), checkAddr(c.Addr), c.checkTimes())
	if !topicName.MatchString(c.Topic) {
		errs = append(errs, fmt.Errorf("dataserver: Topic: %q is not a valid NSQ topic name", c.Topic))
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

// invalidFields validates each field in a heartbeat of its own, because events.Heartbeat.Validate reports only the first
// invalid field.
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

// checkAddr rejects the addresses that every API server rejects, because an agent gets no reply from API servers.
func checkAddr(s string) error {
	ap, err := events.ParseAddr(s)
	if err != nil {
		return fmt.Errorf("dataserver: Addr: %w", err)
	}
	if ip := ap.Addr(); !ip.IsGlobalUnicast() && !ip.IsLoopback() {
		return fmt.Errorf("dataserver: Addr: %v cannot be reached from other machines", ap)
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

// checkSize rejects a description whose longest heartbeat exceeds events.MaxBody. Fields that are valid alone may be too long
// together.
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
