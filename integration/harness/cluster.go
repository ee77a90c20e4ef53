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

// cluster is an nsqlookupd inside the test, and what the test adds to it.
type cluster struct {
	tb      testing.TB
	Lookupd *embednsq.Lookupd
	Nsq     nsqpubsub.Cluster
}

func NewCluster(tb testing.TB) *cluster {
	tb.Helper()
	l, err := embednsq.StartLookupd(embednsq.LookupdConfig{})
	fixture.Must(tb, err)
	tb.Cleanup(func() { http.DefaultClient.CloseIdleConnections(); fixture.Must(tb, l.Stop()) })
	return &cluster{tb: tb, Lookupd: l, Nsq: nsqpubsub.Cluster{Lookupd: []string{l.HTTPAddr()}}}
}

func (c *cluster) StartNSQD() *embednsq.NSQD {
	c.tb.Helper()
	n, err := embednsq.StartNSQD(embednsq.NSQDConfig{Lookupd: []string{c.Lookupd.TCPAddr()}})
	fixture.Must(c.tb, err)
	c.tb.Cleanup(func() { fixture.Must(c.tb, n.Stop()) })
	return n
}

func (c *cluster) Config(id string) config.Config {
	cfg := config.Default()
	cfg.ID = id
	cfg.NSQ.Lookupd = c.Nsq.Lookupd
	cfg.API.Listen, cfg.Proxy.Listen = "127.0.0.1:0", "127.0.0.1:0"
	return cfg
}

// StartAPI returns when the API server hears at least that many nsqd.
func (c *cluster) StartAPI(id string, nsqd int) *app.APIServer {
	c.tb.Helper()
	a, err := app.ListenAPIServer(c.Config(id), zap.NewNop())
	fixture.Must(c.tb, err)
	Run(c.tb, "api server", a.Run)
	client := c.Client(a)
	fixture.Eventually(c.tb, 5*time.Second, "the API server hears every nsqd", func() bool {
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

func (c *cluster) Client(a *app.APIServer) *apiserver.Client {
	c.tb.Helper()
	client, err := apiserver.NewClient(a.Addr(), nil)
	fixture.Must(c.tb, err)
	return client
}

// Watch collects the lifecycle events from now on, and those that no channel has taken yet.
func (c *cluster) Watch() <-chan events.Event {
	c.tb.Helper()
	sub, err := subscriber.New(subscriber.Config{NSQ: c.Nsq})
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

// Run runs f until the end of the test, and waits for it.
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

func Members(tb testing.TB, a *app.APIServer) []*events.Server {
	tb.Helper()
	s, err := a.Registry().Members(tb.Context(), registry.Query{})
	fixture.Must(tb, err)
	return s.Servers
}

// Publish is what curl does.
func Publish(tb testing.TB, nsqdHTTP, topic, body string) {
	tb.Helper()
	Post(tb, "http://"+nsqdHTTP+"/pub?topic="+topic, []byte(body))
}

// PublishAll publishes many messages at once, in one order.
func PublishAll(tb testing.TB, nsqdHTTP, topic string, messages int, body func(i int) []byte) {
	tb.Helper()
	const most = 10_000
	for first := 0; first < messages; first += most {
		n := min(most, messages-first)
		packed := binary.BigEndian.AppendUint32(nil, uint32(n))
		for i := first; i < first+n; i++ {
			b := body(i)
			packed = binary.BigEndian.AppendUint32(packed, uint32(len(b)))
			packed = append(packed, b...)
		}
		Post(tb, "http://"+nsqdHTTP+"/mpub?binary=true&topic="+topic, packed)
	}
}

// Heartbeat is a heartbeat of 250 bytes; ttl is in milliseconds.
func Heartbeat(server, seq int, ttl int64) []byte {
	return fmt.Appendf(nil, `{"v":1,"type":"heartbeat","service":"data","id":"%016x","addr":"10.0.%d.%d:8080",`+
		`"incarnation":1763812345678,"seq":%d,"interval_ms":5000,"ttl_ms":%d,"weight":100,"zone":"a","version":"1.4.2",`+
		`"tags":["blue"],"meta":{"rack":"r7"},"load":{"in_flight":3}}`, server, server>>8, server&255, seq, ttl)
}
