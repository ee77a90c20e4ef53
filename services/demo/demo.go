// Package demo runs NSQ, an API server and data servers in one process.
package demo

import (
	"context"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"

	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"rollcall/events"
	"rollcall/services/app"
	"rollcall/services/balancer"
	"rollcall/services/check"
	"rollcall/services/config"
	"rollcall/services/dataserver"
	"rollcall/services/embednsq"
	"rollcall/services/subscriber"
	"rollcall/services/supervisor"
	"rollcall/services/terminal"
	"rollcall/services/version"
)

// Config configures the demo. The first server of each kind listens on the given address, the others on the ports after it. With port 0
// the system chooses all ports.
type Config struct {
	Servers int // number of data servers
	NSQD    int // number of nsqd

	API         string // address of the HTTP API
	Proxy       string // address of the proxy, or config.Off
	LookupdHTTP string
	LookupdTCP  string
	NSQDTCP     string // TCP address of the first nsqd; each nsqd has two ports in a row, for TCP and for HTTP
	DataServer  string

	// Explicit reports whether the user gave a flag, such as nsqd-tcp. If a flag was not given and the port of its address is in use, the
	// address falls back to a free port. If Explicit is nil, no address falls back.
	Explicit func(flag string) bool
}

// DefaultConfig returns a configuration with the ports that the client commands use by default.
func DefaultConfig() Config {
	def := config.Default()
	return Config{
		Servers: 3, NSQD: 2,
		API:         def.API.Listen,
		Proxy:       def.Proxy.Listen,
		LookupdHTTP: def.NSQ.Lookupd[0],
		LookupdTCP:  "127.0.0.1:4160",
		NSQDTCP:     "127.0.0.1:4150",
		DataServer:  def.DataServer.Listen,
	}
}

// Validate returns an error that names the flag of every invalid field.
func (c *Config) Validate() error {
	p := check.Of("")
	p.That(c.Servers >= 0 && c.Servers <= 1000, "--servers", "%d: want 0 to 1000", c.Servers)
	p.That(c.NSQD >= 1 && c.NSQD <= 100, "--nsqd", "%d: want 1 to 100", c.NSQD)
	p.ListenAddress("--api", c.API)
	p.That(c.Proxy == config.Off || check.IsAddress(c.Proxy), "--proxy", "%q: want host:port or off", c.Proxy)
	p.DifferentPorts("--proxy", c.Proxy, "--api", c.API)
	p.ListenAddress("--lookupd", c.LookupdHTTP)
	p.ListenAddress("--lookupd-tcp", c.LookupdTCP)
	p.ListenAddress("--nsqd-tcp", c.NSQDTCP)
	p.ListenAddress("--dataserver", c.DataServer)
	return p.Err()
}

// demo holds the parts of a running demo.
type demo struct {
	cfg Config
	log *zap.Logger
	*supervisor.Stack
	taken []string // default addresses that were in use

	lookupd *embednsq.Lookupd
	nsqds   []*embednsq.NSQD
	api     *app.APIServer
	servers []string // addresses of the data servers
}

// Run runs the demo until ctx ends. When all servers listen, it writes a banner to out, and then each lifecycle event.
func Run(ctx context.Context, cfg Config, out io.Writer, log *zap.Logger) error {
	if err := cfg.Validate(); err != nil {
		return err
	}
	taken := cfg.fallBack()
	d := &demo{cfg: cfg, log: log, Stack: supervisor.New(), taken: taken}
	up := func() error {
		if err := d.startNSQ(); err != nil {
			return err
		}
		if err := d.startAPI(); err != nil {
			return err
		}
		if err := d.startServers(ctx); err != nil {
			return err
		}
		return d.startWatch(out)
	}
	if err := up(); err != nil {
		_ = d.Stop() // the error of Stop is dropped, because err explains the failure
		return err
	}
	return d.Wait(ctx)
}

func (d *demo) startNSQ() error {
	var err error
	if d.lookupd, err = embednsq.StartLookupd(embednsq.LookupdConfig{TCPAddress: d.cfg.LookupdTCP, HTTPAddress: d.cfg.LookupdHTTP}); err != nil {
		return err
	}
	d.AtStop("nsqlookupd", d.lookupd.Stop)
	for i := range d.cfg.NSQD {
		n, err := embednsq.StartNSQD(embednsq.NSQDConfig{
			TCPAddress:  portAfter(d.cfg.NSQDTCP, 2*i),
			HTTPAddress: portAfter(d.cfg.NSQDTCP, 2*i+1),
			Lookupd:     []string{d.lookupd.TCPAddr()},
		})
		if err != nil {
			return err
		}
		d.nsqds = append(d.nsqds, n)
		d.AtStop("nsqd "+n.TCPAddr(), n.Stop)
	}
	return nil
}

func (d *demo) startAPI() error {
	cfg := config.Default()
	cfg.ID = "demo"
	cfg.NSQ.Lookupd = []string{d.lookupd.HTTPAddr()}
	cfg.API.Listen = d.cfg.API
	cfg.Proxy.Listen = d.cfg.Proxy
	cfg.Proxy.Policy = string(balancer.RoundRobin) // so that a few requests reach every server
	var err error
	if d.api, err = app.ListenAPIServer(cfg, d.log); err != nil {
		return err
	}
	d.Start("api server", d.api.Run)
	return nil
}

// startServers starts the data servers and returns when all of them listen.
func (d *demo) startServers(ctx context.Context) error {
	listening := make(chan string, d.cfg.Servers)
	servers := make([]*dataserver.Server, 0, d.cfg.Servers)
	for i := range d.cfg.Servers {
		s, err := dataserver.NewServer(dataserver.ServerConfig{
			Listen:   portAfter(d.cfg.DataServer, i),
			OnListen: func(listen, _ string) { listening <- listen },
			Agent: dataserver.Config{
				ID:  fmt.Sprintf("demo-%d", i+1),
				NSQ: d.api.Cluster(),
			},
		})
		if err != nil {
			return err
		}
		servers = append(servers, s)
	}
	d.Start("data servers", func(ctx context.Context) error { return runAll(ctx, servers) })
	for range d.cfg.Servers {
		select {
		case addr := <-listening:
			d.servers = append(d.servers, addr)
		case <-d.Ended():
			return d.Err()
		case <-ctx.Done():
			return nil
		}
	}
	slices.Sort(d.servers)
	return nil
}

// runAll runs the servers until ctx ends or one of them fails. It stops all of them at the same time.
func runAll(ctx context.Context, servers []*dataserver.Server) error {
	g, each := errgroup.WithContext(ctx)
	for _, s := range servers {
		g.Go(func() error { return s.Run(each) })
	}
	<-each.Done() // without servers, Wait alone would return at once and end the demo
	return g.Wait()
}

// startWatch prints the banner and then all events, also those that were published before the banner.
func (d *demo) startWatch(out io.Writer) error {
	sub, err := subscriber.New(subscriber.Config{NSQ: d.api.Cluster()})
	if err != nil {
		return err
	}
	if err := d.banner(out); err != nil {
		return err
	}
	d.Start("watch", func(ctx context.Context) error {
		return sub.Run(ctx, func(_ context.Context, e events.Event) error {
			_, err := fmt.Fprintln(out, terminal.EventLine(e))
			return err
		})
	})
	return nil
}

func (d *demo) banner(out io.Writer) error {
	var b strings.Builder
	row := func(name string, addrs ...string) { fmt.Fprintf(&b, "  %-13s %s\n", name, strings.Join(addrs, "  ")) }
	fmt.Fprintf(&b, "rollcall %s: NSQ, an API server and data servers in this process. Press Ctrl-C to stop.\n\n%s", version.String(), d.notice())
	row("API", "http://"+d.api.Addr())
	if addr := d.api.ProxyAddr(); addr != "" {
		row("proxy", "http://"+addr)
	}
	row("data servers", d.servers...)
	for i, n := range d.nsqds {
		row(fmt.Sprintf("nsqd %d", i+1), "tcp "+n.TCPAddr(), "http "+n.HTTPAddr())
	}
	row("nsqlookupd", "tcp "+d.lookupd.TCPAddr(), "http "+d.lookupd.HTTPAddr())
	fmt.Fprintf(&b, `
Try in another terminal:
  go run ./services/rollcall ls%s
%s  curl -d 10.1.2.3:8080 'http://%s/pub?topic=%s'   # any address registers, for one TTL
  go build -o /tmp/rollcall ./services/rollcall; /tmp/rollcall dataserver%s & sleep 3; kill -9 $!   # a crash: the server expires

Lifecycle events, as they happen:
`, d.flag("--api", d.api.Addr(), config.Default().API.Listen), d.tryProxy(), d.nsqds[0].HTTPAddr(), events.HeartbeatTopic,
		d.flag("--nsq.lookupd", d.lookupd.HTTPAddr(), config.Default().NSQ.Lookupd[0])+" --dataserver.listen 127.0.0.1:0")
	_, err := io.WriteString(out, b.String())
	return err
}

func (d *demo) tryProxy() string {
	if d.api.ProxyAddr() == "" {
		return ""
	}
	return fmt.Sprintf("  curl http://%s/%s/hello   # each request reaches another server\n", d.api.ProxyAddr(), events.DefaultService)
}

// flag returns a flag of a command in the banner, or "" if its value is the default.
func (d *demo) flag(name, value, byDefault string) string {
	if value == byDefault {
		return ""
	}
	return fmt.Sprintf(" %s %s", name, value)
}

func portAfter(addr string, n int) string {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return addr // Validate reports the invalid address
	}
	number, err := strconv.Atoi(port)
	if err != nil || number == 0 {
		return addr
	}
	return net.JoinHostPort(host, strconv.Itoa(number+n))
}
