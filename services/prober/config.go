package prober

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"rollcall/services/dial"
	"rollcall/services/registry"
)

// Registry is who suspects servers; *registry.Registry is one.
type Registry interface {
	Probes() <-chan registry.Probe
	Report(context.Context, registry.Evidence) error
}

// Mode is how a server is asked.
type Mode string

const (
	ModeHTTP Mode = "http" // for its id, by HTTP
	ModeTCP  Mode = "tcp"  // whether it accepts a connection
)

// Config of a Prober. The zero value is useful but for Registry.
type Config struct {
	Registry Registry
	Mode     Mode // default ModeHTTP

	// Permit refuses addresses that must not be called. It is asked before the call and again by the dialer with the
	// address that it is about to connect to, from many goroutines. Default: all are permitted.
	Permit func(netip.AddrPort) error

	Timeout     time.Duration // for the connection and the answer together; default 500 ms
	Again       time.Duration // before an address that refused is called once more; default 250 ms
	Concurrency int           // servers asked at once; default 256, each with a goroutine and a file

	// Metrics is where the metrics are registered, if given.
	Metrics prometheus.Registerer

	// Dial connects to an IP:port and ends when ctx does. Default: dial.To, with Permit.
	Dial func(ctx context.Context, addr string) (net.Conn, error)

	// Ask finds out about one server and ends when ctx does; what it says then is not reported. It is called from many
	// goroutines. Default: over the network, by the rules of the package comment.
	Ask func(ctx context.Context, p registry.Probe) registry.Finding
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
		c.Dial = dial.New(c.Permit, 0) // a connection ends before it would be asked for
	}
	if c.Ask == nil {
		c.Ask = (&network{*c}).ask
	}
}

// Validate names every field that cannot work. Zero stands for the default.
func (c Config) Validate() error {
	c.setDefaults()
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf("prober: "+format, args...))
		}
	}
	check(c.Registry != nil, "registry is nil")
	check(c.Mode == ModeHTTP || c.Mode == ModeTCP, "mode %q, want http or tcp", c.Mode)
	check(c.Timeout > 0, "timeout %v is not positive", c.Timeout)
	check(c.Again > 0, "again %v is not positive", c.Again)
	check(c.Concurrency > 0, "concurrency %d is not positive", c.Concurrency)
	return errors.Join(errs...)
}
