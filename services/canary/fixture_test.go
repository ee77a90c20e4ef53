package canary_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"rollcall/pipeline/nsqpubsub"
	"rollcall/services/canary"
)

// brokers fakes several nsqd. It implements Publisher and the functions Config.Nodes and Config.Reconnect.
type brokers struct {
	mu         sync.Mutex
	nodes      map[string]nsqpubsub.ConsumerNode
	behave     map[string]func(ctx context.Context) error // what PublishTo returns, by address of the nsqd; default: nil
	delivers   map[string]bool                            // whether the nsqd delivers the messages that it accepts, by address of the nsqd; delivery takes no time
	calls      []call
	busy       map[string]int
	reconnects []reconnect
}

type call struct {
	nsqd, topic, body string
	began             time.Time
	took              time.Duration
	err               error
}

type reconnect struct {
	nsqd  string
	after time.Duration // time since the start of the test
}

const topic = "data_server_addr"

func newBrokers(addrs ...string) *brokers {
	b := &brokers{
		nodes:    make(map[string]nsqpubsub.ConsumerNode),
		behave:   make(map[string]func(context.Context) error),
		delivers: make(map[string]bool),
		busy:     make(map[string]int),
	}
	for _, addr := range addrs {
		b.join(addr)
		b.delivers[addr] = true
	}
	return b
}

func (b *brokers) join(addr string) {
	b.change(addr, func(n *nsqpubsub.ConsumerNode) {
		*n = nsqpubsub.ConsumerNode{Topic: topic, Address: addr, Connected: true, ConnectedAt: time.Now()}
	})
}

func (b *brokers) change(addr string, how func(*nsqpubsub.ConsumerNode)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := b.nodes[addr]
	how(&n)
	b.nodes[addr] = n
}

func (b *brokers) leave(addr string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.nodes, addr)
}

// set changes the behaviour of an nsqd.
func (b *brokers) set(addr string, delivers bool, behave func(context.Context) error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.delivers[addr], b.behave[addr] = delivers, behave
}

func (b *brokers) Nodes() []nsqpubsub.ConsumerNode {
	b.mu.Lock()
	defer b.mu.Unlock()
	var nodes []nsqpubsub.ConsumerNode
	for _, n := range b.nodes {
		nodes = append(nodes, n)
	}
	return nodes
}

var errTwice = errors.New("two canaries to one nsqd at the same time")

func (b *brokers) PublishTo(ctx context.Context, nsqd, topic string, body []byte) error {
	c := call{nsqd: nsqd, topic: topic, body: string(body), began: time.Now()}
	b.mu.Lock()
	b.busy[nsqd]++
	behave, twice := b.behave[nsqd], b.busy[nsqd] > 1
	b.mu.Unlock()
	if behave != nil {
		c.err = behave(ctx)
	}
	if twice {
		c.err = errTwice
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.busy[nsqd]--
	c.took = time.Since(c.began)
	b.calls = append(b.calls, c)
	if n, ok := b.nodes[nsqd]; ok && b.delivers[nsqd] && c.err == nil {
		n.LastMessage = time.Now()
		b.nodes[nsqd] = n
	}
	return c.err
}

func (b *brokers) to(nsqd string) []call {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(b.calls), func(c call) bool { return c.nsqd != nsqd })
}

func (b *brokers) reconnected() []reconnect {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.reconnects)
}

// hang acts as PublishTo through an nsqd that never responds.
func hang(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

func refuse(context.Context) error { return errors.New("refused") }

// sender is a running Sender, with its logs and metrics.
type sender struct {
	*canary.Sender
	started time.Time
	logs    *observer.ObservedLogs
	metrics *prometheus.Registry
	stop    func()
}

func mustRun(t *testing.T, b *brokers) *sender {
	t.Helper()
	core, logs := observer.New(zap.DebugLevel)
	s := &sender{started: time.Now(), logs: logs, metrics: prometheus.NewRegistry()}
	c, err := canary.New(canary.Config{
		ID: "api-1", Started: s.started, Topic: topic, Publisher: b, Nodes: b.Nodes, Metrics: s.metrics, Log: zap.New(core),
		Reconnect: func(nsqd string) {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.reconnects = append(b.reconnects, reconnect{nsqd, time.Since(s.started)})
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	s.Sender = c
	ctx, cancel := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() { ran <- c.Run(ctx) }()
	s.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ran; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(s.stop)
	return s
}

// count returns the value of a counter, and whether the series exists. The labels are pairs of name and value, sorted by name.
func (s *sender) count(t *testing.T, name string, labels ...string) (int, bool) {
	t.Helper()
	families, err := s.metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			var pairs []string
			for _, l := range metric.GetLabel() {
				pairs = append(pairs, l.GetName(), l.GetValue())
			}
			if family.GetName() == name && slices.Equal(pairs, labels) {
				return int(metric.GetCounter().GetValue()), true
			}
		}
	}
	return 0, false
}

func (s *sender) checkCount(t *testing.T, want int, name string, labels ...string) {
	t.Helper()
	if got, ok := s.count(t, name, labels...); got != want || !ok {
		t.Errorf("%s%v is %d (exists: %v), want %d", name, labels, got, ok, want)
	}
}
