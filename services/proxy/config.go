package proxy

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"rollcall/events"
	"rollcall/services/balancer"
	"rollcall/services/dial"
	"rollcall/services/registry"
)

// Registry is what the proxy hears of the roll, and whom it tells what it met; *registry.Registry is one.
type Registry interface {
	Watch(context.Context) <-chan *registry.Membership
	List(ctx context.Context, q registry.Query, now time.Time) (*registry.Membership, error)
	Report(context.Context, registry.Evidence) error
}

// Config of a Proxy. The zero value is useful but for Registry.
type Config struct {
	Registry Registry
	Routes   []Route                 // beside /{service}/{path...}
	Handlers map[string]http.Handler // inside the process, by the names that routes give them

	// NoRewrite turns off what makes a server below a stripped prefix look as if it was there: X-Forwarded-Prefix, the rewriting of Location,
	// Content-Location, Refresh and the Path of cookies, and the redirect from /prefix to /prefix/.
	NoRewrite bool

	Balancer balancer.Config            // of every service
	Policies map[string]balancer.Policy // of services that have another one than Balancer.Policy
	Hash     HashKey                    // what the policy hash looks at; default the client's address

	Trusted []netip.Prefix // addresses of proxies in front whose X-Forwarded-*, Forwarded and X-Real-IP are kept; default none

	TLS  *tls.Config                                              // of the front, with its certificates; default none
	Dial func(ctx context.Context, addr string) (net.Conn, error) // to a server; default dial.New, every address permitted

	ConnectTimeout  time.Duration // to a server; default 1 s
	ResponseTimeout time.Duration // from the end of a request until the header of its answer; default 30 s
	HeaderTimeout   time.Duration // for a client to send the header of a request; default 5 s
	IdleTimeout     time.Duration // of a connection without a request, on both sides; default 90 s
	StallTimeout    time.Duration // how long a client may send or take nothing of a body, and a server take nothing of one; default 30 s
	HeaderLimit     int           // bytes of a request's header, 8 KiB to 1 MiB; default 16 KiB
	Drain           time.Duration // how long the requests in hand of a server that left may go on; default 30 s, negative: not at all

	Linger time.Duration // how long Serve takes requests at its end, each answer ending its connection; default 500 ms

	Retries     int // further attempts, each on another server, at most MaxRetries; default 2, negative: none
	RetryBudget RetryBudget

	Tick    time.Duration         // precision of the timeouts towards servers, and of slow start and ejection; default 250 ms
	Metrics prometheus.Registerer // default none
	Log     *zap.Logger           // default none
}

// RetryBudget bounds the further attempts of each service, counted over 10 s: so that servers that fail are not asked twice
// as much for it.
type RetryBudget struct {
	Percent   int // of the requests; default 20, negative: none
	PerSecond int // in any case; default 10, negative: none
}

// KeepAlive is how often the other end of a connection to a server should be asked whether it is there, while nothing comes: what
// streams for long must not wait for a host that is gone.
const KeepAlive = 15 * time.Second

// Bounds of HeaderLimit in bytes. Browsers send headers of several KiB, and each connection may hold a header in memory.
const (
	minHeaderLimit = 8 << 10
	maxHeaderLimit = 1 << 20
)

func (c *Config) setDefaults() {
	c.Hash = cmp.Or(c.Hash, HashKey{Source: KeyClient})
	if c.Hash.Source == KeyHeader {
		c.Hash.Name = http.CanonicalHeaderKey(c.Hash.Name)
	}
	c.ConnectTimeout = cmp.Or(c.ConnectTimeout, time.Second)
	c.ResponseTimeout = cmp.Or(c.ResponseTimeout, 30*time.Second)
	c.HeaderTimeout = cmp.Or(c.HeaderTimeout, 5*time.Second)
	c.IdleTimeout = cmp.Or(c.IdleTimeout, 90*time.Second)
	c.StallTimeout = cmp.Or(c.StallTimeout, 30*time.Second)
	c.HeaderLimit = cmp.Or(c.HeaderLimit, 16<<10)
	c.Drain = cmp.Or(c.Drain, 30*time.Second)
	c.Linger = cmp.Or(c.Linger, 500*time.Millisecond)
	c.Retries = cmp.Or(c.Retries, 2)
	c.RetryBudget.Percent = cmp.Or(c.RetryBudget.Percent, 20)
	c.RetryBudget.PerSecond = cmp.Or(c.RetryBudget.PerSecond, 10)
	c.Tick = cmp.Or(c.Tick, 250*time.Millisecond)
	if c.Dial == nil {
		c.Dial = dial.New(nil, KeepAlive)
	}
	if c.Log == nil {
		c.Log = zap.NewNop()
	}
}

// Validate names every field that cannot work. Zero stands for the default.
func (c Config) Validate() error {
	c.setDefaults()
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf("proxy: "+format, args...))
		}
	}
	check(c.Registry != nil, "registry is nil")
	timeouts := map[string]time.Duration{
		"connect timeout": c.ConnectTimeout, "response timeout": c.ResponseTimeout, "header timeout": c.HeaderTimeout,
		"idle timeout": c.IdleTimeout, "stall timeout": c.StallTimeout, "linger": c.Linger, "tick": c.Tick,
	}
	for _, name := range slices.Sorted(maps.Keys(timeouts)) {
		check(timeouts[name] > 0, "%s %v is not positive", name, timeouts[name])
	}
	check(c.HeaderLimit >= minHeaderLimit && c.HeaderLimit <= maxHeaderLimit, "header limit %d, want %d to %d bytes", c.HeaderLimit, minHeaderLimit, maxHeaderLimit)
	check(c.Retries <= MaxRetries, "retries %d, want at most %d", c.Retries, MaxRetries)
	errs = append(errs, c.Hash.Validate(), c.Balancer.Validate())
	for _, service := range slices.Sorted(maps.Keys(c.Policies)) {
		check(events.ValidService(service), "policies: %q is no name of a service", service)
		of := c.Balancer
		of.Policy = c.Policies[service]
		if err := of.Validate(); err != nil {
			errs = append(errs, fmt.Errorf("proxy: policy of %s: %w", service, err))
		}
	}
	for i, r := range c.Routes {
		if err := r.Validate(); err != nil {
			errs = append(errs, fmt.Errorf("proxy: route %d: %w", i+1, err))
		}
		check(r.Handler == "" || c.Handlers[r.Handler] != nil, "route %d: there is no handler %q", i+1, r.Handler)
	}
	return errors.Join(errs...)
}

// policyOf is the policy of a service.
func (p *Proxy) policyOf(service string) balancer.Policy {
	return cmp.Or(p.cfg.Policies[service], p.cfg.Balancer.Policy, balancer.P2C)
}
