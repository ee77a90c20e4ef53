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
		tcp    registry.Finding // in mode tcp; accepted if not said
	}{
		{name: "its own id", want: registry.FindingIdentified,
			server: func(t *testing.T) string { return mustHTTP(t, identify("a", 200)) }},
		{name: "its own id, whatever the status", want: registry.FindingIdentified,
			server: func(t *testing.T) string { return mustHTTP(t, identify("a", 503)) }},
		{name: "its own id with a redirect", want: registry.FindingIdentified,
			server: func(t *testing.T) string { return mustHTTP(t, identify("a", 302)) }},
		{name: "its own id by HTTP/1.0, with a body that does not end", want: registry.FindingIdentified,
			server: func(t *testing.T) string {
				return fixture.Serve(t, says("HTTP/1.0 200 OK\r\nx-rollcall-id: a\r\n\r\nbody"))
			}},
		{name: "its own id after an informational response", want: registry.FindingIdentified,
			server: func(t *testing.T) string {
				return fixture.Serve(t, says("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"+ok+"X-Rollcall-Id: a\r\n\r\n"))
			}},
		{name: "its own id where protocols are switched", want: registry.FindingIdentified,
			server: func(t *testing.T) string {
				return fixture.Serve(t, says("HTTP/1.1 101 Switching Protocols\r\nX-Rollcall-Id: a\r\n\r\n"))
			}},
		{name: "another id", want: registry.FindingStranger,
			server: func(t *testing.T) string { return mustHTTP(t, identify("b", 200)) }},
		{name: "an id in capitals is another", want: registry.FindingStranger,
			server: func(t *testing.T) string { return mustHTTP(t, identify("A", 200)) }},
		{name: "HTTP without an id", want: registry.FindingAccepted,
			server: func(t *testing.T) string { return mustHTTP(t, func(http.ResponseWriter, *http.Request) {}) }},
		{name: "an empty id is none", want: registry.FindingAccepted,
			server: func(t *testing.T) string { return fixture.Serve(t, says(ok+"X-Rollcall-Id:  \r\n\r\n")) }},
		{name: "a server of TLS", want: registry.FindingAccepted, server: mustTLS},
		{name: "an alert of TLS", want: registry.FindingAccepted,
			server: func(t *testing.T) string { return fixture.Serve(t, says("\x15\x03\x01\x00\x02\x02\x28")) }},
		{name: "a greeting in text", want: registry.FindingAccepted,
			server: func(t *testing.T) string { return fixture.Serve(t, says("220 mail.example ESMTP\r\n")) }},
		{name: "a greeting that is no line", want: registry.FindingAccepted,
			server: func(t *testing.T) string { return fixture.Serve(t, says("\x00\x01\x02\x03\x04\x05")) }},
		{name: "a short greeting that is no line", want: registry.FindingAccepted,
			server: func(t *testing.T) string { return fixture.Serve(t, says("+OK")) }},
		{name: "what begins as HTTP and is none", want: registry.FindingAccepted,
			server: func(t *testing.T) string { return fixture.Serve(t, says("HTTP/1.1 fine\r\n\r\n")) }},
		{name: "a header of 1 MiB", want: registry.FindingAccepted,
			server: func(t *testing.T) string {
				return fixture.Serve(t, says(ok+strings.Repeat("X-Long: "+strings.Repeat("x", 1014)+"\r\n", 1024)+"X-Rollcall-Id: a\r\n\r\n"))
			}},
		{name: "an id beyond the first 16 KiB", want: registry.FindingAccepted,
			server: func(t *testing.T) string {
				return fixture.Serve(t, says(ok+"X-Long: "+strings.Repeat("x", 16<<10)+"\r\nX-Rollcall-Id: a\r\n\r\n"))
			}},
		{name: "closed at once", want: registry.FindingAccepted,
			server: func(t *testing.T) string { return fixture.Serve(t, func(net.Conn) {}) }},
		{name: "closed within the header", want: registry.FindingAccepted,
			server: func(t *testing.T) string {
				return fixture.Serve(t, func(c net.Conn) { _, _ = io.WriteString(c, ok+"X-Rollcall-Id: a\r\n") })
			}},
		{name: "reset at once", want: registry.FindingAccepted,
			server: func(t *testing.T) string {
				return fixture.Serve(t, func(c net.Conn) { _ = c.(*net.TCPConn).SetLinger(0) })
			}},
		{name: "nobody listens", want: registry.FindingRefused, tcp: registry.FindingRefused, server: mustFreeOf},
		{name: "a connection that nobody accepts", want: registry.FindingSilent,
			server: func(t *testing.T) string { return mustListen(t).Addr().String() }},
		{name: "a server that waits for other words", want: registry.FindingSilent,
			server: func(t *testing.T) string { return fixture.Serve(t, says("")) }},
		{name: "a header that is not whole in time", want: registry.FindingSilent,
			server: func(t *testing.T) string { return fixture.Serve(t, drip) }},
		{name: "a header that stops within its first word", want: registry.FindingSilent,
			server: func(t *testing.T) string { return fixture.Serve(t, says("HTT")) }},
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

func mustFreeOf(t *testing.T) string { return fixture.FreeAddr(t) }

// checkFinding has silence end soon. On a busy machine that end may be noticed too late to mean anything, and is
// waited for again.
func checkFinding(t *testing.T, mode prober.Mode, addr string, want registry.Finding) {
	t.Helper()
	cfg := patient
	cfg.Mode, cfg.Again = mode, time.Millisecond
	for range 20 {
		if want == registry.FindingSilent {
			cfg.Timeout = 200 * time.Millisecond
		}
		got := mustAsk(t, cfg, probeOf(addr)).Finding
		if got == want {
			return
		}
		if want != registry.FindingSilent || got != registry.FindingUnknown {
			t.Fatalf("mode %s: got %s, want %s", mode, got, want)
		}
	}
	t.Fatalf("mode %s: got unknown each time, want %s", mode, want)
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

// A header has no spaces around a value, and any bytes within.
func TestIdentityOfAnyID(t *testing.T) {
	for _, id := range []string{"a b", " a ", "größer", "10.0.0.7:8080", "[::1]:80", `a"b,c;d`, strings.Repeat("x", 128)} {
		t.Run(fmt.Sprintf("%.16q", id), func(t *testing.T) {
			probe := probeOf(mustHTTP(t, func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X-Rollcall-Id", id) }))
			probe.ID = id
			if got := mustAsk(t, patient, probe).Finding; got != registry.FindingIdentified {
				t.Errorf("got %s, want identified", got)
			}
		})
	}
}

func TestEvidenceIsOfTheProbe(t *testing.T) {
	probe := probeOf(mustHTTP(t, func(http.ResponseWriter, *http.Request) {}))
	before := time.Now()
	got := mustAsk(t, patient, probe)
	if got.Probe != probe || got.Source != registry.SourceProbe {
		t.Errorf("got %+v, want the probe %+v and the source probe", got, probe)
	}
	if got.Began.Before(before) || got.Ended.Before(got.Began) || time.Now().Before(got.Ended) {
		t.Errorf("got %v to %v, want both since %v and in turn", got.Began, got.Ended, before)
	}
}

func TestQuestion(t *testing.T) {
	asked := make(chan *http.Request, 1)
	addr := fixture.Serve(t, func(conn net.Conn) {
		r, err := http.ReadRequest(bufio.NewReader(conn))
		if err != nil {
			t.Error(err)
		}
		asked <- r
	})
	mustAsk(t, patient, probeOf(addr))
	r := <-asked
	if r.Method != "GET" || r.RequestURI != "/healthz" || r.Proto != "HTTP/1.1" || r.Host != addr || !r.Close ||
		r.UserAgent() != "rollcall-prober" || len(r.Header) != 2 {
		t.Errorf("got %+v", r)
	}
}

func TestARedirectIsNotFollowed(t *testing.T) {
	var followed atomic.Int64
	other := mustHTTP(t, func(w http.ResponseWriter, _ *http.Request) {
		followed.Add(1)
		w.Header().Set("X-Rollcall-Id", "a")
	})
	addr := mustHTTP(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "http://"+other, http.StatusFound) })
	if got := mustAsk(t, patient, probeOf(addr)).Finding; got != registry.FindingAccepted {
		t.Errorf("got %s, want accepted", got)
	}
	if n := followed.Load(); n != 0 {
		t.Errorf("asked where it was sent to %d times", n)
	}
}

// refusal is the error of a dialer to which errno happened.
func refusal(errno syscall.Errno) error {
	return &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", errno)}
}

func TestAfterARefusal(t *testing.T) {
	for _, tt := range []struct {
		name  string
		dials []error // one for each call
		want  registry.Finding
	}{
		{"refused twice", []error{refusal(syscall.ECONNREFUSED), refusal(syscall.ECONNREFUSED)}, registry.FindingRefused},
		{"what the second call gives", []error{refusal(syscall.ECONNREFUSED), refusal(syscall.EHOSTUNREACH)}, registry.FindingSilent},
		{"although it says nothing", []error{refusal(syscall.ECONNREFUSED), refusal(syscall.EMFILE)}, registry.FindingUnknown},
		{"what is not refused is not asked again", []error{refusal(syscall.EHOSTUNREACH)}, registry.FindingSilent},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				var at []time.Duration
				got := mustAsk(t, prober.Config{Dial: func(context.Context, string) (net.Conn, error) {
					at = append(at, time.Since(start))
					return nil, tt.dials[len(at)-1]
				}}, probeOf("10.0.0.7:80"))
				if got.Finding != tt.want || len(at) != len(tt.dials) || len(at) > 1 && at[1]-at[0] != 250*time.Millisecond {
					t.Errorf("got %s of calls at %v, want %s of %d, 250 ms apart", got.Finding, at, tt.want, len(tt.dials))
				}
				if took := got.Ended.Sub(got.Began); took != at[len(at)-1] {
					t.Errorf("the evidence is of %v, want %v", took, at[len(at)-1])
				}
			})
		})
	}
}

// A server that restarts refuses for a moment.
func TestAServerThatListensAgain(t *testing.T) {
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
	if got := mustAsk(t, cfg, probeOf(addr)).Finding; got != registry.FindingIdentified || calls != 2 {
		t.Errorf("got %s after %d calls, want identified after 2", got, calls)
	}
}

// A process that was stopped finds its timeout over when it goes on, and the answer perhaps unread.
func TestSilenceThatIsOurOwn(t *testing.T) {
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
				got := mustAsk(t, prober.Config{Dial: func(ctx context.Context, _ string) (net.Conn, error) {
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

// The timeout is for the connection and the answer together.
func TestTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got := mustAsk(t, prober.Config{Dial: func(context.Context, string) (net.Conn, error) {
			time.Sleep(400 * time.Millisecond)
			ours, theirs := net.Pipe()
			go func() {
				_, _ = io.Copy(io.Discard, theirs) // and answers nothing
			}()
			return ours, nil
		}}, probeOf("10.0.0.7:80"))
		if took := got.Ended.Sub(got.Began); got.Finding != registry.FindingSilent || took != 500*time.Millisecond {
			t.Errorf("got %s after %v, want silent after 500 ms", got.Finding, took)
		}
	})
}

func TestAddressesThatAreNotCalled(t *testing.T) {
	var called atomic.Int64
	addr := fixture.Serve(t, func(net.Conn) { called.Add(1) })
	deny := func(netip.AddrPort) error { return errors.New("denied") }
	calls := 0
	for _, tt := range []struct {
		name, addr string
		permit     func(netip.AddrPort) error
	}{
		{"not permitted", addr, deny},
		{"no more permitted when the dialer has it", addr, func(ap netip.AddrPort) error {
			if calls++; calls > 1 {
				return deny(ap)
			}
			return nil
		}},
		{"a name", strings.Replace(addr, "127.0.0.1", "localhost", 1), nil},
		{"no port", "127.0.0.1", nil},
		{"nothing", "", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg := patient
			cfg.Permit = tt.permit
			if got := mustAsk(t, cfg, probeOf(tt.addr)).Finding; got != registry.FindingUnknown {
				t.Errorf("got %s, want unknown", got)
			}
			if n := called.Load(); n != 0 {
				t.Errorf("called %d times", n)
			}
		})
	}
	if calls != 2 {
		t.Errorf("the policy was asked %d times, want before the call and at the dialer", calls)
	}
}
