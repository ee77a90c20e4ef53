package harness

import (
	"context"
	"encoding/binary"
	"fmt"
	"net/http"
	"testing"
	"time"

	"go.uber.org/zap"

	"rollcall/events"
	"rollcall/integration/fixture"
	"rollcall/pipeline/nsqpubsub"
	"rollcall/services/apiserver"
	"rollcall/services/app"
	"rollcall/services/config"
	"rollcall/services/embednsq"
	"rollcall/services/registry"
	"rollcall/services/subscriber"
)

// Cluster is an nsqlookupd in the process of the test, and the nsqd and API servers that the test adds.
type Cluster struct {
	Lookupd *embednsq.Lookupd
	NSQ     nsqpubsub.Cluster
	tb      testing.TB
}

// NewCluster returns a Cluster with a running nsqlookupd and no nsqd.
func NewCluster(tb testing.TB) *Cluster {
	tb.Helper()
	l := fixture.Lookupd(tb)
	tb.Cleanup(http.DefaultClient.CloseIdleConnections) // cleanups run in reverse order, so these connections close before nsqlookupd stops
	return &Cluster{tb: tb, Lookupd: l, NSQ: nsqpubsub.Cluster{Lookupd: []string{l.HTTPAddr()}}}
}

// StartNSQD starts an nsqd and adds it to the cluster.
func (c *Cluster) StartNSQD() *embednsq.NSQD {
	c.tb.Helper()
	return fixture.NSQD(c.tb, embednsq.NSQDConfig{Lookupd: []string{c.Lookupd.TCPAddr()}})
}

// Config returns a configuration for a process that uses this cluster, with the given id and free ports.
func (c *Cluster) Config(id string) config.Config {
	cfg := config.Default()
	cfg.ID = id
	cfg.NSQ.Lookupd = c.NSQ.Lookupd
	cfg.API.Listen, cfg.Proxy.Listen = "127.0.0.1:0", "127.0.0.1:0"
	return cfg
}

// StartAPI starts an API server, and returns when it is connected to at least the given number of nsqd.
func (c *Cluster) StartAPI(id string, nsqd int) *app.APIServer {
	c.tb.Helper()
	a, err := app.ListenAPIServer(c.Config(id), zap.NewNop())
	fixture.Must(c.tb, err)
	Run(c.tb, "api server", a.Run)
	client := c.Client(a)
	fixture.Eventually(c.tb, 5*time.Second, "the API server is connected to every nsqd", func() bool {
		st, err := client.Status(c.tb.Context())
		return err == nil && connected(st) >= nsqd
	})
	return a
}

func connected(st *apiserver.Status) int {
	n := 0
	for _, node := range st.NSQD {
		if node.Connected {
			n++
		}
	}
	return n
}

// Client returns a client of an API server.
func (c *Cluster) Client(a *app.APIServer) *apiserver.Client {
	c.tb.Helper()
	client, err := apiserver.NewClient(a.Addr(), nil)
	fixture.Must(c.tb, err)
	return client
}

// Watch subscribes to the lifecycle events and returns them on a Go channel. If nobody has subscribed to the topic before, the events that
// were published earlier come first.
func (c *Cluster) Watch() <-chan events.Event {
	c.tb.Helper()
	sub, err := subscriber.New(subscriber.Config{NSQ: c.NSQ})
	fixture.Must(c.tb, err)
	seen := make(chan events.Event, 4096)
	Run(c.tb, "watch", func(ctx context.Context) error {
		return sub.Run(ctx, func(_ context.Context, e events.Event) error {
			seen <- e
			return nil
		})
	})
	return seen
}

// Run runs the function f in a goroutine. At the end of the test Run cancels the context of f, and fails the test if f returns an error or
// does not return within 20 s.
func Run(tb testing.TB, name string, f func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- f(ctx) }()
	tb.Cleanup(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				tb.Errorf("%s: %v", name, err)
			}
		case <-time.After(20 * time.Second):
			tb.Errorf("%s did not end within 20 s", name)
		}
	})
}

// Members returns the servers in the registry of an API server.
func Members(tb testing.TB, a *app.APIServer) []*events.Server {
	tb.Helper()
	s, err := a.Registry().Members(tb.Context())
	fixture.Must(tb, err)
	return s.Select(registry.Query{})
}

// Publish publishes one message through the HTTP API of an nsqd.
func Publish(tb testing.TB, nsqdHTTP, topic, body string) {
	tb.Helper()
	Post(tb, "http://"+nsqdHTTP+"/pub?topic="+topic, []byte(body))
}

// PublishAll publishes many messages through the HTTP API of an nsqd, in order and with few requests.
func PublishAll(tb testing.TB, nsqdHTTP, topic string, messages int, body func(i int) []byte) {
	tb.Helper()
	const batch = 10_000
	for first := 0; first < messages; first += batch {
		n := min(batch, messages-first)
		packed := binary.BigEndian.AppendUint32(nil, uint32(n))
		for i := first; i < first+n; i++ {
			b := body(i)
			packed = binary.BigEndian.AppendUint32(packed, uint32(len(b)))
			packed = append(packed, b...)
		}
		Post(tb, "http://"+nsqdHTTP+"/mpub?binary=true&topic="+topic, packed)
	}
}

// Heartbeat returns a heartbeat of about 260 bytes, with ttl in milliseconds. It derives the id and the address of the server from the
// number of the server.
func Heartbeat(server, seq int, ttl int64) []byte {
	return fmt.Appendf(nil, `{"v":1,"type":"heartbeat","service":"data","id":"%016x","addr":"10.0.%d.%d:8080",`+
		`"incarnation":1763812345678,"seq":%d,"interval_ms":5000,"ttl_ms":%d,"weight":100,"zone":"a","version":"1.4.2",`+
		`"tags":["blue"],"meta":{"rack":"r7"},"load":{"in_flight":3}}`, server, server>>8, server&255, seq, ttl)
}
