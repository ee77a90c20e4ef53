package prober_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"rollcall/integration/fixture"
	"rollcall/services/prober"
	"rollcall/services/registry"
)

func TestFindings(t *testing.T) {
	identify := func(id string, status int) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-Rollcall-Id", id)
			w.WriteHeader(status)
		}
	}
	const ok = "HTTP/1.1 200 OK\r\n"
	for _, tt := range []struct {
		name   string
		server func(t *testing.T) (addr string)
		want   registry.Finding
		tcp    registry.Finding // finding in mode tcp; default FindingAccepted
	}{
		{name: "its own id", want: registry.FindingIdentified,
			server: func(t *testing.T) string { return mustHTTP(t, identify("a", 200)) }},
		{name: "its own id, whatever the status", want: registry.FindingIdentified,
			server: func(t *testing.T) string { return mustHTTP(t, identify("a", 503)) }},
		{name: "its own id with a redirect", want: registry.FindingIdentified,
			server: func(t *testing.T) string { return mustHTTP(t, identify("a", 302)) }},
		{name: "its own id by HTTP/1.0, with a body that does not end", want: registry.FindingIdentified,
			server: func(t *testing.T) string {
				return fixture.Serve(t, respond("HTTP/1.0 200 OK\r\nx-rollcall-id: a\r\n\r\nbody"))
			}},
		{name: "its own id after an informational response", want: registry.FindingIdentified,
			server: func(t *testing.T) string {
				return fixture.Serve(t, respond("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"+ok+"X-Rollcall-Id: a\r\n\r\n"))
			}},
		{name: "its own id with status 101", want: registry.FindingIdentified,
			server: func(t *testing.T) string {
				return fixture.Serve(t, respond("HTTP/1.1 101 Switching Protocols\r\nX-Rollcall-Id: a\r\n\r\n"))
			}},
		{name: "another id", want: registry.FindingStranger,
			server: func(t *testing.T) string { return mustHTTP(t, identify("b", 200)) }},
		{name: "an id with other capitals is another id", want: registry.FindingStranger,
			server: func(t *testing.T) string { return mustHTTP(t, identify("A", 200)) }},
		{name: "HTTP without an id", want: registry.FindingAccepted,
			server: func(t *testing.T) string { return mustHTTP(t, func(http.ResponseWriter, *http.Request) {}) }},
		{name: "an empty id counts as none", want: registry.FindingAccepted,
			server: func(t *testing.T) string { return fixture.Serve(t, respond(ok+"X-Rollcall-Id:  \r\n\r\n")) }},
		{name: "a TLS server", want: registry.FindingAccepted, server: mustTLS},
		{name: "a TLS alert", want: registry.FindingAccepted,
			server: func(t *testing.T) string { return fixture.Serve(t, respond("\x15\x03\x01\x00\x02\x02\x28")) }},
		{name: "a greeting in text", want: registry.FindingAccepted,
			server: func(t *testing.T) string { return fixture.Serve(t, respond("220 mail.example ESMTP\r\n")) }},
		{name: "a greeting without a line break", want: registry.FindingAccepted,
			server: func(t *testing.T) string { return fixture.Serve(t, respond("\x00\x01\x02\x03\x04\x05")) }},
		{name: "a short greeting without a line break", want: registry.FindingAccepted,
			server: func(t *testing.T) string { return fixture.Serve(t, respond("+OK")) }},
		{name: "an invalid response that begins like HTTP", want: registry.FindingAccepted,
			server: func(t *testing.T) string { return fixture.Serve(t, respond("HTTP/1.1 fine\r\n\r\n")) }},
		{name: "a header of 1 MiB", want: registry.FindingAccepted,
			server: func(t *testing.T) string {
				return fixture.Serve(t, respond(ok+strings.Repeat("X-Long: "+strings.Repeat("x", 1014)+"\r\n", 1024)+"X-Rollcall-Id: a\r\n\r\n"))
			}},
		{name: "an id beyond the first 16 KiB", want: registry.FindingAccepted,
			server: func(t *testing.T) string {
				return fixture.Serve(t, respond(ok+"X-Long: "+strings.Repeat("x", 16<<10)+"\r\nX-Rollcall-Id: a\r\n\r\n"))
			}},
		{name: "a connection that is closed at once", want: registry.FindingAccepted,
			server: func(t *testing.T) string { return fixture.Serve(t, func(net.Conn) {}) }},
		{name: "a connection that is closed in the header", want: registry.FindingAccepted,
			server: func(t *testing.T) string {
				return fixture.Serve(t, func(c net.Conn) { _, _ = io.WriteString(c, ok+"X-Rollcall-Id: a\r\n") })
			}},
		{name: "a connection that is reset at once", want: registry.FindingAccepted,
			server: func(t *testing.T) string {
				return fixture.Serve(t, func(c net.Conn) { _ = c.(*net.TCPConn).SetLinger(0) })
			}},
		{name: "no listener", want: registry.FindingRefused, tcp: registry.FindingRefused, server: mustFreeAddr},
		{name: "a connection that no process accepts", want: registry.FindingSilent,
			server: func(t *testing.T) string { return mustListen(t).Addr().String() }},
		{name: "a server of another protocol that waits for its client", want: registry.FindingSilent,
			server: func(t *testing.T) string { return fixture.Serve(t, respond("")) }},
		{name: "a header that is not complete in time", want: registry.FindingSilent,
			server: func(t *testing.T) string { return fixture.Serve(t, drip) }},
		{name: "a header that stops in its first word", want: registry.FindingSilent,
			server: func(t *testing.T) string { return fixture.Serve(t, respond("HTT")) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			addr := tt.server(t)
			checkFinding(t, prober.ModeHTTP, addr, tt.want)
			if tt.tcp == "" {
				tt.tcp = registry.FindingAccepted
			}
			checkFinding(t, prober.ModeTCP, addr, tt.tcp)
		})
	}
}

func mustFreeAddr(t *testing.T) string { return fixture.FreeAddr(t) }

// checkFinding probes addr and compares the finding with want. For FindingSilent it uses a short timeout and several attempts,
// because a prober on a busy machine can notice the timeout too late and then reports FindingUnknown.
func checkFinding(t *testing.T, mode prober.Mode, addr string, want registry.Finding) {
	t.Helper()
	cfg := patient
	cfg.Mode, cfg.Again = mode, time.Millisecond
	for range 20 {
		if want == registry.FindingSilent {
			cfg.Timeout = 200 * time.Millisecond
		}
		got := mustProbe(t, cfg, probeOf(addr)).Finding
		if got == want {
			return
		}
		if want != registry.FindingSilent || got != registry.FindingUnknown {
			t.Fatalf("mode %s: got %s, want %s", mode, got, want)
		}
	}
	t.Fatalf("mode %s: got unknown every time, want %s", mode, want)
}

func mustTLS(t *testing.T) string {
	s := httptest.NewUnstartedServer(http.NotFoundHandler())
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.TLS = &tls.Config{}
	s.StartTLS()
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

// drip sends a header that never ends.
func drip(conn net.Conn) {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	_, err := io.WriteString(conn, "HTTP/1.1 200 OK\r\nX-Rollcall-Id: a\r\nX-Long: ")
	for err == nil {
		<-tick.C
		_, err = conn.Write([]byte("x"))
	}
}

// The value of a header has no spaces around it, but can contain any other bytes of an id.
func TestIdentityOfUnusualIDs(t *testing.T) {
	for _, id := range []string{"a b", " a ", "größer", "10.0.0.7:8080", "[::1]:80", `a"b,c;d`, strings.Repeat("x", 128)} {
		t.Run(fmt.Sprintf("%.16q", id), func(t *testing.T) {
			probe := probeOf(mustHTTP(t, func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X-Rollcall-Id", id) }))
			probe.ID = id
			if got := mustProbe(t, patient, probe).Finding; got != registry.FindingIdentified {
				t.Errorf("got %s, want identified", got)
			}
		})
	}
}

func TestEvidenceDescribesTheProbe(t *testing.T) {
	probe := probeOf(mustHTTP(t, func(http.ResponseWriter, *http.Request) {}))
	before := time.Now()
	got := mustProbe(t, patient, probe)
	if got.Probe != probe || got.Source != registry.SourceProbe {
		t.Errorf("got %+v, want the probe %+v and the source probe", got, probe)
	}
	if got.Began.Before(before) || got.Ended.Before(got.Began) || time.Now().Before(got.Ended) {
		t.Errorf("got %v to %v, want both after %v and in order", got.Began, got.Ended, before)
	}
}

func TestRequest(t *testing.T) {
	requests := make(chan *http.Request, 1)
	addr := fixture.Serve(t, func(conn net.Conn) {
		r, err := http.ReadRequest(bufio.NewReader(conn))
		if err != nil {
			t.Error(err)
		}
		requests <- r
	})
	mustProbe(t, patient, probeOf(addr))
	r := <-requests
	if r.Method != "GET" || r.RequestURI != "/healthz" || r.Proto != "HTTP/1.1" || r.Host != addr || !r.Close ||
		r.UserAgent() != "rollcall-prober" || len(r.Header) != 2 {
		t.Errorf("got %+v", r)
	}
}

func TestRedirectIsNotFollowed(t *testing.T) {
	var followed atomic.Int64
	other := mustHTTP(t, func(w http.ResponseWriter, _ *http.Request) {
		followed.Add(1)
		w.Header().Set("X-Rollcall-Id", "a")
	})
	addr := mustHTTP(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "http://"+other, http.StatusFound) })
	if got := mustProbe(t, patient, probeOf(addr)).Finding; got != registry.FindingAccepted {
		t.Errorf("got %s, want accepted", got)
	}
	if n := followed.Load(); n != 0 {
		t.Errorf("followed the redirect %d times", n)
	}
}

// refusal returns the error that a dialer returns if its call of connect failed with errno.
func refusal(errno syscall.Errno) error {
	return &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", errno)}
}

func TestSecondAttemptAfterARefusal(t *testing.T) {
	for _, tt := range []struct {
		name  string
		dials []error // error of the dialer in each attempt
		want  registry.Finding
	}{
		{"refused twice", []error{refusal(syscall.ECONNREFUSED), refusal(syscall.ECONNREFUSED)}, registry.FindingRefused},
		{"the second attempt decides", []error{refusal(syscall.ECONNREFUSED), refusal(syscall.EHOSTUNREACH)}, registry.FindingSilent},
		{"the second attempt decides, also if its finding is unknown", []error{refusal(syscall.ECONNREFUSED), refusal(syscall.EMFILE)}, registry.FindingUnknown},
		{"no second attempt without a refusal", []error{refusal(syscall.EHOSTUNREACH)}, registry.FindingSilent},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				var at []time.Duration
				got := mustProbe(t, prober.Config{Dial: func(context.Context, string) (net.Conn, error) {
					at = append(at, time.Since(start))
					return nil, tt.dials[len(at)-1]
				}}, probeOf("10.0.0.7:80"))
				if got.Finding != tt.want || len(at) != len(tt.dials) || len(at) > 1 && at[1]-at[0] != 250*time.Millisecond {
					t.Errorf("got %s of attempts at %v, want %s of %d, 250 ms apart", got.Finding, at, tt.want, len(tt.dials))
				}
				if took := got.Ended.Sub(got.Began); took != at[len(at)-1] {
					t.Errorf("the evidence covers %v, want %v", took, at[len(at)-1])
				}
			})
		})
	}
}

// A server that restarts refuses connections for a moment. Therefore the prober tries again after a refusal.
func TestServerThatRestartsIsIdentified(t *testing.T) {
	addr := fixture.FreeAddr(t)
	again := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Rollcall-Id", "a")
	}))
	cfg := patient
	var calls int
	cfg.Dial = func(ctx context.Context, addr string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
		if calls++; calls == 1 {
			_ = again.Listener.Close()
			if again.Listener, err = net.Listen("tcp", addr); err != nil {
				t.Error(err)
			}
			again.Start()
			t.Cleanup(again.Close)
			return nil, refusal(syscall.ECONNREFUSED)
		}
		return conn, err
	}
	if got := mustProbe(t, cfg, probeOf(addr)).Finding; got != registry.FindingIdentified || calls != 2 {
		t.Errorf("got %s after %d attempts, want identified after 2", got, calls)
	}
}

// If this process was paused, it can notice the end of a timeout late. The response may have arrived in time.
func TestTimeoutThatIsNoticedLateIsUnknown(t *testing.T) {
	for _, tt := range []struct {
		name string
		late time.Duration
		want registry.Finding
	}{
		{"noticed in time", 0, registry.FindingSilent},
		{"noticed 100 ms late", 100 * time.Millisecond, registry.FindingSilent},
		{"noticed later", 100*time.Millisecond + 1, registry.FindingUnknown},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				got := mustProbe(t, prober.Config{Dial: func(ctx context.Context, _ string) (net.Conn, error) {
					<-ctx.Done()
					time.Sleep(tt.late)
					return nil, ctx.Err()
				}}, probeOf("10.0.0.7:80"))
				if got.Finding != tt.want {
					t.Errorf("got %s, want %s", got.Finding, tt.want)
				}
				if took := got.Ended.Sub(got.Began); took != 500*time.Millisecond+tt.late {
					t.Errorf("took %v, want the timeout of 500 ms and %v", took, tt.late)
				}
			})
		})
	}
}

func TestTimeoutCoversConnectionAndResponse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got := mustProbe(t, prober.Config{Dial: func(context.Context, string) (net.Conn, error) {
			time.Sleep(400 * time.Millisecond)
			ours, theirs := net.Pipe()
			go func() {
				_, _ = io.Copy(io.Discard, theirs) // reads the request and sends no response
			}()
			return ours, nil
		}}, probeOf("10.0.0.7:80"))
		if took := got.Ended.Sub(got.Began); got.Finding != registry.FindingSilent || took != 500*time.Millisecond {
			t.Errorf("got %s after %v, want silent after 500 ms", got.Finding, took)
		}
	})
}

func TestAddressesThatAreNotConnectedTo(t *testing.T) {
	var called atomic.Int64
	addr := fixture.Serve(t, func(net.Conn) { called.Add(1) })
	deny := func(netip.AddrPort) error { return errors.New("denied") }
	calls := 0
	for _, tt := range []struct {
		name, addr string
		permit     func(netip.AddrPort) error
	}{
		{"not permitted", addr, deny},
		{"not permitted for the dialer", addr, func(ap netip.AddrPort) error {
			if calls++; calls > 1 {
				return deny(ap)
			}
			return nil
		}},
		{"a host name", strings.Replace(addr, "127.0.0.1", "localhost", 1), nil},
		{"no port", "127.0.0.1", nil},
		{"an empty address", "", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg := patient
			cfg.Permit = tt.permit
			if got := mustProbe(t, cfg, probeOf(tt.addr)).Finding; got != registry.FindingUnknown {
				t.Errorf("got %s, want unknown", got)
			}
			if n := called.Load(); n != 0 {
				t.Errorf("connected %d times", n)
			}
		})
	}
	if calls != 2 {
		t.Errorf("Permit was called %d times, want once before the probe and once by the dialer", calls)
	}
}
