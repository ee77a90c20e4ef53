package config

import (
	"crypto/tls"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"rollcall/events"
	"rollcall/services/balancer"
	"rollcall/services/check"
	"rollcall/services/proxy"
)

// Proxy is the HTTP proxy in front of the servers on the roll.
type Proxy struct {
	Listen   string            `koanf:"listen" doc:"address of the proxy; off: none"`
	Routes   []string          `koanf:"routes" doc:"[HOST][/PREFIX]=SERVICE[/PATH]: where requests go beside /SERVICE/...; SERVICE may be handler:NAME, of a handler inside the process"`
	Trusted  []string          `koanf:"trusted" doc:"CIDRs of the proxies in front, from which X-Forwarded-*, Forwarded and X-Real-IP are accepted; default: none"`
	Rewrite  bool              `koanf:"rewrite" doc:"where a prefix is stripped: send X-Forwarded-Prefix, rewrite Location, Content-Location, Refresh and cookie paths, and redirect /PREFIX to /PREFIX/"`
	TLS      ProxyTLS          `koanf:"tls"`
	Policy   string            `koanf:"policy" doc:"how a server is chosen: p2c, random, roundrobin, leastload or hash"`
	Policies map[string]string `koanf:"policies" doc:"SERVICE=POLICY, for services with another one"`
	Hash     string            `koanf:"hash" doc:"what the policy hash goes by: client, header:NAME, cookie:NAME or query:NAME"`
	Zone     string            `koanf:"zone" doc:"zone of this API server, whose servers are preferred; default: none"`

	SlowStart time.Duration `koanf:"slowstart" doc:"time in which the share of a new server grows to its full; 0s: none"`
	Panic     int           `koanf:"panic" doc:"while fewer than this percent of a service's servers can be used, suspects are used too; 0: never"`
	Eject     ProxyEject    `koanf:"eject"`
	Retry     ProxyRetry    `koanf:"retry"`
	Timeout   ProxyTimeout  `koanf:"timeout"`

	HeaderLimit int           `koanf:"headerlimit" doc:"most bytes of a request's header, 8192 to 1048576; more is answered with 431"`
	Connections int           `koanf:"connections" doc:"most connections of clients; while there are as many, new ones wait and idle ones are closed"`
	Drain       time.Duration `koanf:"drain" doc:"how long the requests in hand of a server that left may go on"`

	// Handlers are what routes to handler:NAME go to, each safe for concurrent use. Only a program has them.
	Handlers map[string]http.Handler `koanf:"-"`
}

// ProxyTLS is for the clients of the proxy. Without a certificate it speaks plain HTTP/1.1.
type ProxyTLS struct {
	Cert string `koanf:"cert" doc:"file of the proxy's certificate; with it the proxy speaks TLS, and HTTP/2"`
	Key  string `koanf:"key" doc:"file of the certificate's key"`
}

// ProxyEject is when and for how long a server that fails is not chosen.
type ProxyEject struct {
	After   int           `koanf:"after" doc:"failures in a row that eject a server, so that it is not chosen for a while; 0: never"`
	For     time.Duration `koanf:"for" doc:"how long a server is ejected the first time; twice as long each time after that"`
	Longest time.Duration `koanf:"longest" doc:"how long a server is ejected at most"`
	Percent int           `koanf:"percent" doc:"most percent of a service's servers that are ejected at once; at least one, but never the last that can be used"`
}

// ProxyRetry bounds the further attempts, each on another server.
type ProxyRetry struct {
	Attempts  int `koanf:"attempts" doc:"further attempts of a request, each on another server"`
	Percent   int `koanf:"percent" doc:"further attempts, in percent of the requests of 10 s"`
	PerSecond int `koanf:"persecond" doc:"and so many a second in addition"`
}

// ProxyTimeout is how long the proxy waits for others.
type ProxyTimeout struct {
	Connect  time.Duration `koanf:"connect" doc:"how long a connection to a server may take"`
	Response time.Duration `koanf:"response" doc:"how long an answer may take to begin, over all attempts of a request"`
	Header   time.Duration `koanf:"header" doc:"how long a client may take for the header of a request"`
	Idle     time.Duration `koanf:"idle" doc:"how long a connection is kept without a request, on both sides"`
	Stall    time.Duration `koanf:"stall" doc:"how long a client may send or take nothing of a body, and a server take nothing of one"`
}

func defaultProxy() Proxy {
	return Proxy{
		Listen: "127.0.0.1:8080", Connections: defaultConnections, Routes: []string{}, Trusted: []string{}, Rewrite: true, Policy: string(balancer.P2C), Policies: map[string]string{}, Hash: string(proxy.KeyClient),
		SlowStart: 10 * time.Second, Panic: 50,
		Eject: ProxyEject{After: 5, For: 5 * time.Second, Longest: time.Minute, Percent: 30},
		Retry: ProxyRetry{Attempts: 2, Percent: 20, PerSecond: 10},
		Timeout: ProxyTimeout{
			Connect: time.Second, Response: 30 * time.Second, Header: 5 * time.Second, Idle: 90 * time.Second, Stall: 30 * time.Second,
		},
		HeaderLimit: 16 << 10, Drain: 30 * time.Second,
	}
}

// Bounds of proxy.headerlimit: below, browsers are refused; each connection may hold as much.
const (
	leastHeader = 8 << 10
	mostHeader  = 1 << 20
)

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
	checkPolicy(p, "proxy.policy", x.Policy)
	for _, service := range slices.Sorted(maps.Keys(x.Policies)) {
		p.That(events.ValidService(service), "proxy.policies:", "service %q: want a DNS label in lower case", service)
		checkPolicy(p, "proxy.policies: "+service, x.Policies[service])
	}
	_, err = proxy.ParseHashKey(x.Hash)
	if err != nil {
		p.Add(fmt.Errorf("proxy.hash %w", err))
	}
	p.That(len(x.Zone) <= events.MaxLabel, "proxy.zone:", "%d bytes, want at most %d", len(x.Zone), events.MaxLabel)
	checkAtLeast(p, "proxy.slowstart", x.SlowStart, 0)
	checkPercent(p, "proxy.panic", x.Panic)
	p.That(x.Eject.After >= 0, "proxy.eject.after", "%d: want 0 or more", x.Eject.After)
	checkPositive(p, "proxy.eject.for", x.Eject.For)
	p.That(x.Eject.Longest >= x.Eject.For, "proxy.eject.longest", "%v: want at least the proxy.eject.for of %v", x.Eject.Longest, x.Eject.For)
	checkPercent(p, "proxy.eject.percent", x.Eject.Percent)
	p.That(x.Retry.Attempts >= 0 && x.Retry.Attempts <= proxy.MaxRetries, "proxy.retry.attempts", "%d: want 0 to %d", x.Retry.Attempts, proxy.MaxRetries)
	checkPercent(p, "proxy.retry.percent", x.Retry.Percent)
	p.That(x.Retry.PerSecond >= 0, "proxy.retry.persecond", "%d: want 0 or more", x.Retry.PerSecond)
	checkPositive(p, "proxy.timeout.connect", x.Timeout.Connect)
	checkPositive(p, "proxy.timeout.response", x.Timeout.Response)
	checkPositive(p, "proxy.timeout.header", x.Timeout.Header)
	checkPositive(p, "proxy.timeout.idle", x.Timeout.Idle)
	checkPositive(p, "proxy.timeout.stall", x.Timeout.Stall)
	p.That(x.HeaderLimit >= leastHeader && x.HeaderLimit <= mostHeader, "proxy.headerlimit", "%d: want %d to %d", x.HeaderLimit, leastHeader, mostHeader)
	checkAtLeast(p, "proxy.drain", x.Drain, 0)
}

// validateTLS leaves the files alone where nobody will listen.
func (x *Proxy) validateTLS() error {
	if err := bothOrNeither("proxy.tls", x.TLS.Cert, x.TLS.Key); err != nil || x.Listen == Off {
		return err
	}
	_, err := x.TLS.config()
	return err
}

// config is nil for plain HTTP. It reads the files.
func (t ProxyTLS) config() (*tls.Config, error) {
	if t.Cert == "" {
		return nil, nil
	}
	pair, err := loadPair("proxy.tls", t.Cert, t.Key)
	if err != nil {
		return nil, err
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, Certificates: pair}, nil
}

// PolicyNames lists the policies of the balancer.
func PolicyNames() string {
	var names []string
	for _, p := range balancer.Policies() {
		names = append(names, string(p))
	}
	return strings.Join(names, ", ")
}

func checkPolicy(p *check.Fields, key, value string) {
	p.That(slices.Contains(balancer.Policies(), balancer.Policy(value)), key, "%q: want one of %s", value, PolicyNames())
}
