package proxy

import (
	"cmp"
	"context"
	"crypto/tls"
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
	"rollcall/services/check"
	"rollcall/services/dial"
	"rollcall/services/registry"
)

// Registry is the part of *registry.Registry that the proxy needs: the membership, the reported loads, and a receiver of evidence.
type Registry interface {
	Watch(context.Context) <-chan *registry.Membership
	Vitals(ctx context.Context, blocks []*registry.Block, now time.Time, into []registry.Vitals) ([]registry.Vitals, error)
	Report(context.Context, registry.Evidence) error
}

// Config is the configuration of a Proxy. Only Registry must be set. Every other field may be zero, which stands for its default.
type Config struct {
	Registry Registry
	Routes   []Route                 // tried before /{service}/{path...}
	Handlers map[string]http.Handler // HTTP handlers in this process; a route refers to a handler by its key

	// NoRewrite turns off the help for servers whose paths differ from the paths of clients, because a route removes or replaces a prefix.
	// The help is X-Forwarded-Prefix, the rewriting of Location, Content-Location, Refresh and the Path of cookies, and the redirect from
	// /prefix to /prefix/.
	NoRewrite bool

	Balancer balancer.Config            // settings for the balancer of every service
	Policies map[string]balancer.Policy // by service, for services that need another policy than Balancer.Policy
	Hash     HashKey                    // the key that the policy "hash" uses; default: the client's IP address

	Trusted []netip.Prefix // addresses of the proxies in front; X-Forwarded-*, Forwarded and X-Real-IP from these proxies are kept; default none

	TLS  *tls.Config                                              // settings and certificates for connections from clients; default plain HTTP/1.1
	Dial func(ctx context.Context, addr string) (net.Conn, error) // connects to a server; default dial.New, which permits every address

	Timeouts
	HeaderLimit int           // maximum size of a request header in bytes, from MinHeaderLimit to MaxHeaderLimit; default 16 KiB
	Drain       time.Duration // how long requests in flight may continue after their server has left; default 30 s, negative: not at all
	Linger      time.Duration // how long Serve goes on to accept requests after its context has ended; default 500 ms

	Retry Retry

	Tick    time.Duration         // precision of slow start, of ejection and of the timeouts for servers; default 250 ms
	Metrics prometheus.Registerer // where New registers the metrics; default: nowhere
	Log     *zap.Logger           // default: nothing is logged
}

// Timeouts are the time limits for clients and servers. The tags are for the configuration file.
type Timeouts struct {
	ConnectTimeout  time.Duration `koanf:"connect" doc:"time limit for connecting to a server"`                                                                                               // default 1 s
	ResponseTimeout time.Duration `koanf:"response" doc:"time limit until the header of the response, over all attempts of a request"`                                                        // default 30 s
	HeaderTimeout   time.Duration `koanf:"header" doc:"time limit for a client to send the header of a request"`                                                                              // default 5 s
	IdleTimeout     time.Duration `koanf:"idle" doc:"time for which connections to clients and servers are kept without a request"`                                                           // default 90 s
	StallTimeout    time.Duration `koanf:"stall" doc:"time limit for the next byte of a request body, from the client or to the server, and for the next 64 KiB of a response to the client"` // default 30 s
}

// Retry limits the retries of requests. Attempts limits the retries of one request. Percent and PerSecond together limit the retries of all
// requests to a service within 10 s, so that retries do not multiply the load when servers fail. The tags are for the configuration file.
// In the file, 0 means no retries; here, 0 means the default.
type Retry struct {
	Attempts  int `koanf:"attempts" doc:"retries per request, each on another server"`                      // at most MaxRetries; default 2, negative: none
	Percent   int `koanf:"percent" doc:"retries allowed, as a percentage of the requests of the last 10 s"` // default 20, negative: none
	PerSecond int `koanf:"persecond" doc:"retries allowed per second on top of the percentage"`             // default 10, negative: none
}

// KeepAlive is the interval of TCP keep-alive probes on connections to servers. Without probes, a long response would never end if the
// server's host disappeared.
const KeepAlive = 15 * time.Second

// Bounds of Config.HeaderLimit in bytes. The lower bound allows the headers of browsers, which have several KiB. The upper bound saves memory,
// because each connection can hold a whole header.
const (
	MinHeaderLimit = 8 << 10
	MaxHeaderLimit = 1 << 20
)

// Default returns a Config with every default filled in.
func Default() Config {
	var c Config
	c.setDefaults()
	return c
}

func (c *Config) setDefaults() {
	c.Balancer = c.Balancer.WithDefaults()
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
	c.Retry.Attempts = cmp.Or(c.Retry.Attempts, 2)
	c.Retry.Percent = cmp.Or(c.Retry.Percent, 20)
	c.Retry.PerSecond = cmp.Or(c.Retry.PerSecond, 10)
	c.Tick = cmp.Or(c.Tick, 250*time.Millisecond)
	if c.Dial == nil {
		c.Dial = dial.New(nil, KeepAlive)
	}
	if c.Log == nil {
		c.Log = zap.NewNop()
	}
}

// Validate returns an error for each invalid field. Zero values stand for the defaults.
func (c Config) Validate() error {
	c.setDefaults()
	f := check.Of("proxy")
	f.That(c.Registry != nil, "registry", "is nil")
	c.Timeouts.Check(f, "timeout")
	f.That(c.Linger > 0, "linger", "%v: want more than 0", c.Linger)
	f.That(c.Tick > 0, "tick", "%v: want more than 0", c.Tick)
	CheckHeaderLimit(f, "headerlimit", c.HeaderLimit)
	c.Retry.Check(f, "retry")
	f.Add(c.Hash.Validate(), c.Balancer.Validate())
	CheckPolicies(f, "policies", c.Policies)
	for i, r := range c.Routes {
		if err := r.Validate(); err != nil {
			f.Add(fmt.Errorf("proxy: route %d: %w", i+1, err))
		}
		f.That(r.Handler == "" || c.Handlers[r.Handler] != nil, "route", "%d: no handler %q", i+1, r.Handler)
	}
	return f.Err()
}

// Check adds an error to f for each timeout that is not positive. key is the key of t in the configuration, such as proxy.timeout.
func (t Timeouts) Check(f *check.Fields, key string) {
	for _, of := range []struct {
		name  string
		value time.Duration
	}{
		{"connect", t.ConnectTimeout}, {"response", t.ResponseTimeout}, {"header", t.HeaderTimeout}, {"idle", t.IdleTimeout}, {"stall", t.StallTimeout},
	} {
		f.That(of.value > 0, key+"."+of.name, "%v: want more than 0", of.value)
	}
}

// Check adds an error to f for each field of r that is above its bound. key is the key of r in the configuration, such as proxy.retry.
func (r Retry) Check(f *check.Fields, key string) {
	f.That(r.Attempts <= MaxRetries, key+".attempts", "%d: want at most %d", r.Attempts, MaxRetries)
	f.That(r.Percent <= 100, key+".percent", "%d: want at most 100", r.Percent)
}

// CheckHeaderLimit adds an error for key to f if limit is not between MinHeaderLimit and MaxHeaderLimit.
func CheckHeaderLimit(f *check.Fields, key string, limit int) {
	f.That(limit >= MinHeaderLimit && limit <= MaxHeaderLimit, key, "%d: want %d to %d", limit, MinHeaderLimit, MaxHeaderLimit)
}

// CheckPolicies adds an error to f for each service with an invalid name or policy. key is the key of policies in the configuration.
func CheckPolicies(f *check.Fields, key string, policies map[string]balancer.Policy) {
	for _, service := range slices.Sorted(maps.Keys(policies)) {
		f.That(events.ValidService(service), key+":", "service %q: want a DNS label in lower case", service)
		policies[service].Check(f, key+": "+service)
	}
}

// policyOf returns the policy of a service.
func (p *Proxy) policyOf(service string) balancer.Policy {
	return cmp.Or(p.cfg.Policies[service], p.cfg.Balancer.Policy)
}
