package prober_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"go.uber.org/goleak"

	"rollcall/services/prober"
	"rollcall/services/registry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeRegistry requests the probes that a test sends to the channel probes.
type fakeRegistry struct {
	probes  chan registry.Probe
	reports chan registry.Evidence
}

func newFakeRegistry() *fakeRegistry {
	return &fakeRegistry{make(chan registry.Probe), make(chan registry.Evidence)}
}

func (s *fakeRegistry) Probes() <-chan registry.Probe { return s.probes }

func (s *fakeRegistry) Report(ctx context.Context, e registry.Evidence) error {
	select {
	case s.reports <- e:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func mustNew(t testing.TB, cfg prober.Config) *prober.Prober {
	t.Helper()
	p, err := prober.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// mustRun starts a prober. The function stop ends the prober, and waits until Run has returned.
func mustRun(t testing.TB, cfg prober.Config) (r *fakeRegistry, stop func()) {
	t.Helper()
	r = newFakeRegistry()
	cfg.Registry = r
	p := mustNew(t, cfg)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := p.Run(ctx); err != nil {
			t.Errorf("Run: %v", err)
		}
	}()
	stop = func() {
		cancel()
		<-done
	}
	t.Cleanup(stop)
	return r, stop
}

// probeOf returns a probe of the server with the id "a" at the address addr.
func probeOf(addr string) registry.Probe {
	return registry.Probe{Service: "data", ID: "a", Addr: addr, Incarnation: 1763812345678}
}

func mustProbe(t testing.TB, cfg prober.Config, probe registry.Probe) registry.Evidence {
	t.Helper()
	r, stop := mustRun(t, cfg)
	defer stop()
	r.probes <- probe
	return <-r.reports
}

func mustListen(t testing.TB) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// respond returns a handler that sends text and waits until the client closes the connection.
func respond(text string) func(net.Conn) {
	return func(conn net.Conn) {
		_, _ = io.WriteString(conn, text)
		_, _ = io.Copy(io.Discard, conn)
	}
}

func mustHTTP(t testing.TB, h http.HandlerFunc) (addr string) {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

// patient is a configuration for tests whose server responds. Its timeout is long, because a busy machine can be slow.
var patient = prober.Config{Timeout: 30 * time.Second}
