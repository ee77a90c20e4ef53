package config

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"time"

	"rollcall/events"
	"rollcall/services/balancer"
	"rollcall/services/check"
	"rollcall/services/proxy"
)

// Proxy configures the HTTP proxy in front of the registered servers.
type Proxy struct {
	Listen   string            `koanf:"listen" doc:"address on which the proxy listens; off: no proxy"`
	Routes   []string          `koanf:"routes" doc:"routes [HOST][/PREFIX]=SERVICE[/PATH], in addition to /SERVICE/...; handler:NAME as SERVICE is a handler inside the process"`
	Trusted  []string          `koanf:"trusted" doc:"CIDRs of the proxies in front of this one, whose X-Forwarded-*, Forwarded and X-Real-IP headers are kept; default: none"`
	Rewrite  bool              `koanf:"rewrite" doc:"for routes that strip a prefix: send X-Forwarded-Prefix, rewrite Location, Content-Location, Refresh and cookie paths, and redirect /PREFIX to /PREFIX/"`
	TLS      ProxyTLS          `koanf:"tls"`
	Policy   string            `koanf:"policy" doc:"load balancing policy: p2c, random, roundrobin, leastload or hash"`
	Policies map[string]string `koanf:"policies" doc:"policies SERVICE=POLICY, for services with a policy other than proxy.policy"`
	Hash     string            `koanf:"hash" doc:"key of the policy hash: client (its address), header:NAME, cookie:NAME or query:NAME"`
	Zone     string            `koanf:"zone" doc:"zone of this API server; servers in the same zone are preferred; default: none"`

	SlowStart time.Duration     `koanf:"slowstart" doc:"time in which the share of a new server grows to its full value; 0s: at once"`
	Panic     int               `koanf:"panic" doc:"suspects are used too while less than this percentage of a service's servers is usable; 0: never"`
	Eject     balancer.Ejection `koanf:"eject"`
	Retry     proxy.Retry       `koanf:"retry"`
	Timeout   proxy.Timeouts    `koanf:"timeout"`

	HeaderLimit int           `koanf:"headerlimit" doc:"maximum size of a request header in bytes, 8192 to 1048576; a larger header gets status 431"`
	Connections int           `koanf:"connections" doc:"maximum number of client connections; at the maximum, new connections wait and idle ones are closed"`
	Drain       time.Duration `koanf:"drain" doc:"time limit for requests in flight on a server that has left; 0s: they are cut off at once"`

	// Handlers receive the requests of routes to handler:NAME. They must be safe for concurrent use. Only programs can set them.
	Handlers map[string]http.Handler `koanf:"-"`
}

// ProxyTLS configures TLS for clients of the proxy. Without a certificate the proxy serves plain HTTP/1.1.
type ProxyTLS struct {
	Cert string `koanf:"cert" doc:"PEM file of the certificate of the proxy; with it the proxy serves TLS and HTTP/2"`
	Key  string `koanf:"key" doc:"PEM file of the key of the certificate"`
}

func defaultProxy() Proxy {
	d := proxy.Default()
	return Proxy{
		Listen: "127.0.0.1:8080", Connections: defaultConnections, Routes: []string{}, Trusted: []string{}, Rewrite: true, Policy: string(d.Balancer.Policy), Policies: map[string]string{}, Hash: string(d.Hash.Source),
		SlowStart: d.Balancer.SlowStart, Panic: d.Balancer.Panic, Eject: d.Balancer.Eject, Retry: d.Retry, Timeout: d.Timeouts, HeaderLimit: d.HeaderLimit, Drain: d.Drain,
	}
}

func (x *Proxy) validate(p *check.Fields) {
	p.That(x.Listen == Off || check.IsAddress(x.Listen), "proxy.listen", "%q: want host:port or off", x.Listen)
	p.That(x.Connections > 0, "proxy.connections", "%d: want at least 1", x.Connections)
	routes, err := parseRoutes(x.Routes)
	p.Add(err)
	for _, r := range routes {
		p.That(r.Handler == "" || x.Handlers[r.Handler] != nil, "proxy.routes:", "no handler %q in this program", r.Handler)
	}
	_, err = parsePrefixes("proxy.trusted", x.Trusted)
	p.Add(err, x.validateTLS())
	balancer.Policy(x.Policy).Check(p, "proxy.policy")
	proxy.CheckPolicies(p, "proxy.policies", x.policies())
	_, err = proxy.ParseHashKey(x.Hash)
	if err != nil {
		p.Add(fmt.Errorf("proxy.hash %w", err))
	}
	p.That(len(x.Zone) <= events.MaxLabel, "proxy.zone:", "%d bytes: want at most %d", len(x.Zone), events.MaxLabel)
	checkAtLeast(p, "proxy.slowstart", x.SlowStart, 0)
	checkPercent(p, "proxy.panic", x.Panic)
	p.That(x.Eject.After >= 0, "proxy.eject.after", "%d: want 0 or more", x.Eject.After)
	x.Eject.Check(p, "proxy.eject")
	p.That(x.Retry.Attempts >= 0, "proxy.retry.attempts", "%d: want 0 or more", x.Retry.Attempts)
	p.That(x.Retry.Percent >= 0, "proxy.retry.percent", "%d: want 0 or more", x.Retry.Percent)
	p.That(x.Retry.PerSecond >= 0, "proxy.retry.persecond", "%d: want 0 or more", x.Retry.PerSecond)
	x.Retry.Check(p, "proxy.retry")
	x.Timeout.Check(p, "proxy.timeout")
	proxy.CheckHeaderLimit(p, "proxy.headerlimit", x.HeaderLimit)
	checkAtLeast(p, "proxy.drain", x.Drain, 0)
}

// validateTLS checks proxy.tls. It reads the files only if the proxy listens.
func (x *Proxy) validateTLS() error {
	if err := bothOrNeither("proxy.tls", x.TLS.Cert, x.TLS.Key); err != nil || x.Listen == Off {
		return err
	}
	_, err := x.TLS.config()
	return err
}

// config reads the files of the certificate and its key. It returns nil if no certificate is set: the proxy then serves plain HTTP.
func (t ProxyTLS) config() (*tls.Config, error) {
	if t.Cert == "" {
		return nil, nil
	}
	pair, err := readPair("proxy.tls", t.Cert, t.Key)
	if err != nil {
		return nil, err
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, Certificates: pair}, nil
}
