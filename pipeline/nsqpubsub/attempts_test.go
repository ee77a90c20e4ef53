package nsqpubsub_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"rollcall/integration/fixture"
	"rollcall/pipeline/nsqpubsub"
	"rollcall/services/embednsq"
)

// mustFakeLookupd returns the address of an nsqlookupd that names the nsqd at the addresses addrs.
func mustFakeLookupd(t testing.TB, addrs func() []string) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		body := new(strings.Builder)
		body.WriteString(`{"producers":[`)
		for i, addr := range addrs() {
			host, port, _ := net.SplitHostPort(addr)
			if i > 0 {
				body.WriteByte(',')
			}
			fmt.Fprintf(body, `{"broadcast_address":%q,"tcp_port":%s}`, host, port)
		}
		_, _ = io.WriteString(w, body.String()+"]}")
	}))
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

// silentNSQD accepts connections at every loopback address and never responds. It counts the open connections.
type silentNSQD struct {
	port       string
	open, most atomic.Int64
}

func mustSilentNSQD(t testing.TB) *silentNSQD {
	t.Helper()
	l, err := net.Listen("tcp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	s := &silentNSQD{port: fmt.Sprint(l.Addr().(*net.TCPAddr).Port)}
	fixture.ServeOn(t, l, func(conn net.Conn) {
		s.most.Store(max(s.most.Load(), s.open.Add(1)))
		defer s.open.Add(-1)
		_, _ = io.Copy(io.Discard, conn)
	})
	return s
}

func descriptors(t testing.TB) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip("this system does not list descriptors")
	}
	return len(entries)
}

// refused returns loopback addresses that refuse connections.
func refused(n int) []string {
	addrs := make([]string, n)
	for i := range addrs {
		addrs[i] = fmt.Sprintf("127.1.%d.%d:9", i>>8, i&255)
	}
	return addrs
}

func TestBoundedAttemptsToNonexistentNSQD(t *testing.T) {
	const invented = 5000
	nsqd := fixture.NSQD(t, embednsq.NSQDConfig{})
	silent := mustSilentNSQD(t)
	for _, tt := range []struct {
		name  string
		addrs func() []string
	}{
		{"connections refused", func() []string { return refused(invented) }},
		{"connections accepted without a response", func() []string {
			addrs := make([]string, invented)
			for i := range addrs {
				addrs[i] = fmt.Sprintf("127.2.%d.%d:%s", i>>8, i&255, silent.port)
			}
			return addrs
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			lookupd := mustFakeLookupd(t, func() []string { return append(tt.addrs(), nsqd.TCPAddr()) })
			before, goroutines := descriptors(t), runtime.NumGoroutine()
			cluster := nsqpubsub.Cluster{Lookupd: []string{lookupd}, NSQD: []string{nsqd.TCPAddr()}}
			c := mustRun(t, nsqpubsub.ConsumerConfig{Cluster: cluster, Initialize: true, Batch: 64})
			p := mustProducer(t, nsqpubsub.ProducerConfig{Cluster: cluster})
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			_ = p.PublishTo(ctx, nsqd.TCPAddr(), "t", []byte("hello"))
			bounded := func() {
				if n := runtime.NumGoroutine() - goroutines; n > 2000 {
					t.Fatalf("%d goroutines", n)
				}
				if n := descriptors(t) - before; n > 1000 { // a connection takes two descriptors, because both ends are in this process
					t.Fatalf("%d descriptors", n)
				}
			}
			fixture.Eventually(t, 30*time.Second, "addresses wait", func() bool { bounded(); return c.Waiting() > 0 })
			for end := time.Now().Add(4 * time.Second); time.Now().Before(end); <-time.After(20 * time.Millisecond) {
				bounded()
			}
			if !c.has("hello") {
				t.Error("the message of the real nsqd did not arrive")
			}
			if n := c.Waiting(); n != invented-100 {
				t.Errorf("%d nsqd wait, want %d", n, invented-100)
			}
			if n := len(c.Nodes()); n > 101 {
				t.Errorf("%d nodes, want at most 101", n)
			}
		})
	}
}

// The real nsqd is reached, because the Consumer tries all nsqd in turn. An nsqd that nsqlookupd no longer names is forgotten.
func TestNSQDAmongNonexistentOnesIsReached(t *testing.T) {
	nsqd := fixture.NSQD(t, embednsq.NSQDConfig{})
	var few atomic.Bool
	lookupd := mustFakeLookupd(t, func() []string {
		if few.Load() {
			return []string{nsqd.TCPAddr()}
		}
		addrs := []string{nsqd.TCPAddr()}
		for port := 1000; port < 1250; port++ { // these addresses sort before the address of the real nsqd, so they are tried first
			addrs = append(addrs, fmt.Sprintf("127.0.0.1:%d", port))
		}
		return addrs
	})
	c := mustRun(t, nsqpubsub.ConsumerConfig{
		Cluster:    nsqpubsub.Cluster{Lookupd: []string{lookupd}, ForgetAfter: time.Second, LookupdPollInterval: 100 * time.Millisecond},
		Initialize: true,
	})
	reached := func() bool {
		for _, n := range c.Nodes() {
			if n.Address == nsqd.TCPAddr() {
				return n.Connected && n.Reached && c.Reached(n.Address) && !c.Reached("127.0.0.1:1000")
			}
		}
		return false
	}
	fixture.Eventually(t, 15*time.Second, "the real nsqd is connected", reached)
	few.Store(true)
	fixture.Eventually(t, 10*time.Second, "only the real nsqd is left", func() bool { return c.Waiting() == 0 && len(c.Nodes()) == 1 })
	if !reached() {
		t.Error("the real nsqd is no longer connected")
	}
}

// A producer that has reached an nsqd continues to publish to it, even if nsqlookupd names many silent nsqd.
func TestPublishDespiteManySilentNSQD(t *testing.T) {
	nsqd := fixture.NSQD(t, embednsq.NSQDConfig{})
	var invented []string
	for range 30 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = l.Close() }) // this also closes the connections, which were never accepted
		invented = append(invented, l.Addr().String())
	}
	var all atomic.Bool
	lookupd := mustFakeLookupd(t, func() []string {
		if all.Load() {
			return append([]string{nsqd.TCPAddr()}, invented...)
		}
		return []string{nsqd.TCPAddr()}
	})
	p := mustProducer(t, nsqpubsub.ProducerConfig{
		Cluster:        nsqpubsub.Cluster{Lookupd: []string{lookupd}, LookupdPollInterval: 50 * time.Millisecond},
		PublishTimeout: 200 * time.Millisecond,
		PenaltyTime:    time.Second,
	})
	publish := func() error {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		return p.Publish(ctx, "t", []byte("x"))
	}
	fixture.Eventually(t, 5*time.Second, "a message is published", func() bool { return publish() == nil })
	all.Store(true)
	fixture.Eventually(t, 5*time.Second, "every nsqd is listed", func() bool { return len(p.Nodes()) == 31 })
	for i := range 10 {
		if err := publish(); err != nil {
			t.Errorf("message %d: %v", i, err)
		}
	}
}
