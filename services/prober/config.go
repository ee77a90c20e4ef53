package prober

import (
	"cmp"
	"context"
	"net"
	"net/netip"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"rollcall/services/check"
	"rollcall/services/dial"
	"rollcall/services/registry"
)

// Registry requests probes and receives their findings; *registry.Registry implements it.
type Registry interface {
	Probes() <-chan registry.Probe
	Report(context.Context, registry.Evidence) error
}

// Mode is how a server is probed.
type Mode string

const (
	ModeHTTP Mode = "http" // send an HTTP request for the identity of the server
	ModeTCP  Mode = "tcp"  // only connect to the server
)

// Config configures a Prober. Only Registry is required.
type Config struct {
	Registry Registry
	Mode     Mode // default ModeHTTP

	// Permit returns an error for an address to which the prober must not connect. The prober calls Permit before it connects.
	// The default of Dial calls it again, with the address of the socket. Permit must be safe for concurrent use. Default: all
	// addresses are permitted.
	Permit func(netip.AddrPort) error

	Timeout     time.Duration // limit of one attempt, for the connection and the response together; default 500 ms
	Again       time.Duration // wait between a refusal and the second attempt; default 250 ms
	Concurrency int           // most probes at the same time; default 256; each probe has a goroutine and a socket

	Metrics prometheus.Registerer // default none

	// Dial connects to an IP:port. It must return when ctx ends. Default: the dialer of dial.New with Permit.
	Dial func(ctx context.Context, addr string) (net.Conn, error)

	// Probe probes one server. When ctx ends, Probe must return, and the prober does not report the finding. Probe must be safe
	// for concurrent use. Default: a probe over the network, as the package comment describes.
	Probe func(ctx context.Context, p registry.Probe) registry.Finding
}

func (c *Config) setDefaults() {
	c.Mode = cmp.Or(c.Mode, ModeHTTP)
	c.Timeout = cmp.Or(c.Timeout, 500*time.Millisecond)
	c.Again = cmp.Or(c.Again, 250*time.Millisecond)
	c.Concurrency = cmp.Or(c.Concurrency, 256)
	if c.Permit == nil {
		c.Permit = func(netip.AddrPort) error { return nil }
	}
	if c.Dial == nil {
		c.Dial = dial.New(c.Permit, 0) // without keepalive, because connections are short
	}
	if c.Probe == nil {
		c.Probe = (&network{*c}).probe
	}
}

// Validate returns one error for each invalid field. Zero values stand for the defaults.
func (c Config) Validate() error {
	c.setDefaults()
	f := check.Of("prober")
	f.That(c.Registry != nil, "registry", "is nil")
	f.That(c.Mode == ModeHTTP || c.Mode == ModeTCP, "mode", "%q, want http or tcp", c.Mode)
	f.That(c.Timeout > 0, "timeout", "%v is not positive", c.Timeout)
	f.That(c.Again > 0, "again", "%v is not positive", c.Again)
	f.That(c.Concurrency > 0, "concurrency", "%d is not positive", c.Concurrency)
	return f.Err()
}
