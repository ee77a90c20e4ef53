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

// ServerConfig configures a Server.
type ServerConfig struct {
	// Agent configures the heartbeats. Agent.Addr defaults to the result of Advertised, Agent.Load to the number of requests
	// in flight in Handler.
	Agent Config

	Listen string // host:port, default 127.0.0.1:0

	// OnListen is called by Run when connections are accepted, before the first heartbeat. Its arguments are the listener's
	// address and the advertised address.
	OnListen func(listen, advertised string)

	Handler  http.Handler        // serves all paths but /healthz and /metrics; default: responds with the server's id and the path
	Also     []*Agent            // agents of other servers at the same address, whose identities each response carries too
	Gatherer prometheus.Gatherer // source of /metrics; nil: no /metrics

	// Linger is the time for which the server accepts new requests after its leave, so that every API server has received the
	// leave before the server stops; default 500 ms.
	Linger time.Duration
	// Drain bounds the wait for requests in flight after Linger; default 30 s.
	Drain time.Duration
}

func (c *ServerConfig) setDefaults() {
	c.Listen = cmp.Or(c.Listen, "127.0.0.1:0")
	c.Linger = cmp.Or(c.Linger, 500*time.Millisecond)
	c.Drain = cmp.Or(c.Drain, 30*time.Second)
}

// Validate returns an error that names every invalid field. A zero field is valid and means its default.
func (c ServerConfig) Validate() error {
	c.setDefaults()
	var errs []error
	if _, _, err := net.SplitHostPort(c.Listen); err != nil {
		errs = append(errs, fmt.Errorf("dataserver: Listen: %w", err))
	}
	if c.Agent.Addr == "" {
		c.Agent.Addr = "127.0.0.1:1" // placeholder: Run finds the address
	}
	if c.Linger < 0 {
		errs = append(errs, fmt.Errorf("dataserver: Linger: %v is negative", c.Linger))
	}
	if c.Drain < 0 {
		errs = append(errs, fmt.Errorf("dataserver: Drain: %v is negative", c.Drain))
	}
	return errors.Join(append(errs, c.Agent.Validate())...)
}
