// Package config reads the configuration from flags, environment and file, checks it, and prints it.
//
// A key is a field of Config. Its path in the file, its flag, its environment variable and its line in the table of services/app/README.md
// follow from the field and its tags.
package config

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"time"

	"rollcall/events"
	"rollcall/pipeline/nsqpubsub"
	"rollcall/services/check"
	"rollcall/services/dataserver"
	"rollcall/services/prober"
	"rollcall/services/registry"
	"rollcall/services/snapshot"
)

// Config configures an API server, the sample data server, and the client commands.
type Config struct {
	ID         string     `koanf:"id" doc:"name of this process in events and in its NSQ channel, unique among API servers; default: host name and a random suffix"`
	NSQ        NSQ        `koanf:"nsq"`
	Registry   Registry   `koanf:"registry"`
	API        API        `koanf:"api"`
	Proxy      Proxy      `koanf:"proxy"`
	DataServer DataServer `koanf:"dataserver"`
	Log        Log        `koanf:"log"`

	randomID bool `koanf:"-"` // whether ID was generated; a generated ID differs in each process
}

// NSQ configures the connections to the brokers. Both the nsqd that Lookupd returns and the nsqd in NSQD are used.
type NSQ struct {
	Lookupd     []string `koanf:"lookupd" doc:"HTTP addresses of nsqlookupd"`
	NSQD        []string `koanf:"nsqd" doc:"TCP addresses of nsqd, in addition to those that nsqlookupd returns"`
	Topic       string   `koanf:"topic" doc:"topic of the heartbeats"`
	Events      string   `koanf:"events" doc:"topic of the lifecycle events"`
	Auth        string   `koanf:"auth" secret:"true" doc:"secret for the auth server of nsqd"`
	Compression string   `koanf:"compression" doc:"compression of connections to nsqd: none, snappy or deflate"`
	TLS         TLS      `koanf:"tls"`
}

// TLS configures TLS on the connections to nsqd.
type TLS struct {
	Enabled bool   `koanf:"enabled" doc:"use TLS on connections to nsqd; an nsqd that does not offer TLS is not used"`
	CA      string `koanf:"ca" doc:"PEM file of the certificate authority; default: those of the system"`
	Cert    string `koanf:"cert" doc:"PEM file of the client certificate"`
	Key     string `koanf:"key" doc:"PEM file of the key of the client certificate"`
}

// Off turns the proxy off as the value of proxy.listen, and the probes as the value of registry.probe.
const Off = "off"

// Registry configures when servers expire, and which servers are registered.
type Registry struct {
	Interval   time.Duration `koanf:"interval" doc:"heartbeat interval of a server whose heartbeats state none"`
	TTL        time.Duration `koanf:"ttl" doc:"TTL of a server whose heartbeats state none; a server is suspected after 0.7 TTL without a heartbeat"`
	Tick       time.Duration `koanf:"tick" doc:"interval at which the registry checks which servers to suspect or expire"`
	MaxServers int           `koanf:"maxservers" doc:"maximum number of servers; the registry refuses new servers beyond it and keeps those that it has"`
	Allow      []string      `koanf:"allow" doc:"CIDRs of the addresses that servers may have; default: any address"`
	Probe      string        `koanf:"probe" doc:"how a silent server is probed: http (it must return its id), tcp (it must accept a connection) or off"`
	Snapshot   string        `koanf:"snapshot" doc:"file that keeps the registry over a restart; each process needs a file of its own; default: none"`
}

// API configures the HTTP API.
type API struct {
	Listen      string `koanf:"listen" doc:"address on which the HTTP API listens"`
	Connections int    `koanf:"connections" doc:"maximum number of client connections; at the maximum, new connections wait and idle ones are closed"`
}

// DataServer configures the sample data server.
type DataServer struct {
	Service   string            `koanf:"service" doc:"service of the server"`
	ID        string            `koanf:"id" doc:"id of the server, unique in its service; default: the advertised address"`
	Listen    string            `koanf:"listen" doc:"address on which the server listens"`
	Advertise string            `koanf:"advertise" doc:"address in the heartbeats; default: the listen address or, if that is unspecified as in :9001, the address from which the machine reaches NSQ"`
	Interval  time.Duration     `koanf:"interval" doc:"time between heartbeats"`
	TTL       time.Duration     `koanf:"ttl" doc:"TTL in the heartbeats: a server that is silent for this long is gone"`
	Weight    int               `koanf:"weight" doc:"share of the requests, 0 to 1000; 0: the server gets no new requests"`
	Zone      string            `koanf:"zone" doc:"zone or rack of the server"`
	Version   string            `koanf:"version" doc:"version of the program that answers the requests"`
	Tags      []string          `koanf:"tags" doc:"tags of the server, at most 16"`
	Meta      map[string]string `koanf:"meta" doc:"metadata of the server as KEY=VALUE, at most 32 pairs"`
}

// Log configures the log on standard error.
type Log struct {
	Level  string `koanf:"level" doc:"lowest level that is logged: debug, info, warn or error"`
	Format string `koanf:"format" doc:"format of the log: json or console"`
}

// defaultConnections is the maximum number of client connections of one listener.
const defaultConnections = 10_000

// Default returns the default configuration. It is valid except for its empty ID.
func Default() Config {
	r, d := registry.Default(), dataserver.Default()
	return Config{
		NSQ: NSQ{
			Lookupd:     []string{"127.0.0.1:4161"},
			NSQD:        []string{},
			Topic:       events.HeartbeatTopic,
			Events:      events.EventTopic,
			Compression: nsqpubsub.None.String(),
		},
		Registry: Registry{Interval: r.Interval, TTL: r.TTL, Tick: r.Tick, MaxServers: r.MaxServers, Allow: []string{}, Probe: string(prober.ModeHTTP)},
		API:      API{Listen: "127.0.0.1:4180", Connections: defaultConnections},
		Proxy:    defaultProxy(),
		DataServer: DataServer{
			Service: d.Service, Listen: "127.0.0.1:9001", Interval: d.Interval, TTL: d.TTL, Weight: d.Weight, Tags: []string{}, Meta: map[string]string{},
		},
		Log: Log{Level: "info", Format: "json"},
	}
}

// Maximum lengths in characters. The id is a part of the name of an NSQ channel.
const (
	maxTopic = 64 // maximum length of the name of an NSQ topic or channel
	maxID    = maxTopic - len("#ephemeral")
)

var validName = regexp.MustCompile(`^[a-zA-Z0-9._-]+$`)

// Validate returns an error that names every invalid key, and every handler that a route uses and Proxy.Handlers does not contain. It reads
// the files of nsq.tls and proxy.tls.
func (c *Config) Validate() error {
	p := check.Of("")
	checkName(p, "id", c.ID, maxID)
	c.NSQ.validate(p)
	c.Registry.validate(p)
	p.ListenAddress("api.listen", c.API.Listen)
	p.That(c.API.Connections > 0, "api.connections", "%d: want at least 1", c.API.Connections)
	c.Proxy.validate(p)
	p.DifferentPorts("proxy.listen", c.Proxy.Listen, "api.listen", c.API.Listen)
	c.DataServer.validate(p)
	p.Add(c.Log.Validate())
	return p.Err()
}

func (n *NSQ) validate(p *check.Fields) {
	p.That(len(n.Lookupd)+len(n.NSQD) > 0, "nsq.lookupd and nsq.nsqd", "are both empty: want at least one address")
	for _, a := range n.Lookupd {
		p.RemoteAddress("nsq.lookupd", strings.TrimSuffix(strings.TrimPrefix(strings.TrimPrefix(a, "http://"), "https://"), "/"))
	}
	for _, a := range n.NSQD {
		p.RemoteAddress("nsq.nsqd", a)
	}
	checkName(p, "nsq.topic", n.Topic, maxTopic-len(events.InvalidSuffix))
	checkName(p, "nsq.events", n.Events, maxTopic)
	p.That(n.Topic != n.Events, "nsq.topic and nsq.events", "are both %q", n.Topic)
	_, err := parseCompression(n.Compression)
	p.Add(err, n.TLS.Validate())
}

func (r *Registry) validate(p *check.Fields) {
	checkLease(p, "registry", r.Interval, r.TTL)
	p.That(r.Tick > 0 && r.Tick <= r.Interval, "registry.tick", "%v: want more than 0 and at most the interval of %v", r.Tick, r.Interval)
	p.That(r.MaxServers > 0, "registry.maxservers", "%d: want at least 1", r.MaxServers)
	p.That(slices.Contains([]string{string(prober.ModeHTTP), string(prober.ModeTCP), Off}, r.Probe), "registry.probe", "%q: want http, tcp or off", r.Probe)
	if r.Snapshot != "" {
		if err := snapshot.CheckWritable(r.Snapshot); err != nil {
			p.Add(fmt.Errorf("registry.snapshot: %w", err))
		}
	}
	_, err := r.Allowed()
	p.Add(err)
}

// Allowed parses registry.allow. The error names each invalid CIDR.
func (r *Registry) Allowed() ([]netip.Prefix, error) { return parsePrefixes("registry.allow", r.Allow) }

// parsePrefixes parses the CIDRs of a key. The error names each invalid CIDR.
func parsePrefixes(key string, cidrs []string) ([]netip.Prefix, error) {
	var prefixes []netip.Prefix
	wrong := check.Of("")
	for _, cidr := range cidrs {
		prefix, err := netip.ParsePrefix(cidr)
		wrong.That(err == nil, key, "%q: want a CIDR such as 10.0.0.0/8", cidr)
		prefixes = append(prefixes, prefix)
	}
	return prefixes, wrong.Err()
}

func (d *DataServer) validate(p *check.Fields) {
	p.That(events.ValidService(d.Service), "dataserver.service", "%q: want a DNS label in lower case", d.Service)
	p.ListenAddress("dataserver.listen", d.Listen)
	if d.Advertise != "" {
		_, err := events.ParseAddr(d.Advertise)
		p.That(err == nil, "dataserver.advertise", "%q: want an IP address and a port", d.Advertise)
	}
	checkLease(p, "dataserver", d.Interval, d.TTL)
	p.That(d.Weight >= 0 && d.Weight <= events.MaxWeight, "dataserver.weight", "%d: want 0 to %d", d.Weight, events.MaxWeight)
}

func checkName(p *check.Fields, key, value string, most int) {
	p.That(len(value) <= most && validName.MatchString(value), key,
		"%q: want 1 to %d of the characters a-z, A-Z, 0-9, dot, dash and underscore", value, most)
}
