package dataserver

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// ServerConfig describes a Server.
type ServerConfig struct {
	// Agent describes the server to others. Addr is what it advertises, by default as Advertised says; Load is by
	// default the number of requests that Handler is busy with.
	Agent Config

	Listen string // host:port, default 127.0.0.1:0

	// OnListen is called by Run once connections are accepted, before the first heartbeat, with the address listened on
	// and the one that others are told.
	OnListen func(listen, advertised string)

	Handler  http.Handler        // of all paths but those of the server itself; by default tells who answers
	Also     []*Agent            // of other servers at the same address: each response tells their identities too
	Gatherer prometheus.Gatherer // of what /metrics shows; without it there is no /metrics

	// Linger is how long the server takes new requests after its leave, until the last API server has heard
	// of it; default 500 ms.
	Linger time.Duration
	// Drain is how long it then waits for requests in flight before it cuts them off; default 30 s.
	Drain time.Duration
}

func (c *ServerConfig) setDefaults() {
	c.Listen = cmp.Or(c.Listen, "127.0.0.1:0")
	c.Linger = cmp.Or(c.Linger, 500*time.Millisecond)
	c.Drain = cmp.Or(c.Drain, 30*time.Second)
}

// Validate names every field that cannot work. Zero stands for the default.
func (c ServerConfig) Validate() error {
	c.setDefaults()
	var errs []error
	if _, _, err := net.SplitHostPort(c.Listen); err != nil {
		errs = append(errs, fmt.Errorf("dataserver: Listen: %w", err))
	}
	if c.Agent.Addr == "" {
		c.Agent.Addr = "127.0.0.1:1" // stands for the address that Run will find out
	}
	if c.Linger < 0 {
		errs = append(errs, fmt.Errorf("dataserver: Linger: %v is negative", c.Linger))
	}
	if c.Drain < 0 {
		errs = append(errs, fmt.Errorf("dataserver: Drain: %v is negative", c.Drain))
	}
	return errors.Join(append(errs, c.Agent.Validate())...)
}
