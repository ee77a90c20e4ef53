package figures

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"net"
	"net/http"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"rollcall/integration/fixture"
	"rollcall/integration/harness"
)

const (
	proxyRounds = 5
	proxySpan   = time.Second
	proxyWarm   = 300 * time.Millisecond // time for connections to open at the start of each round; not measured
	proxyConns  = 64
)

// BenchmarkProxy compares proxies by the CPU time per request, by the requests per second, and by the latency at half of the capacity of
// the slowest of them: rollcall apiserver with its default configuration, a bare httputil.ReverseProxy, and nginx and haproxy where they
// are installed. All forward to the same three data servers. An http.Server that responds at once shows what the connection to the client
// costs alone. The contenders run in turns, each over 64 connections, which are busy except for the latency. Clients and servers share the
// cores with the proxy, so compare requests per second and latencies only within one run.
func BenchmarkProxy(b *testing.B) {
	s := harness.NewSite(b, 1)
	a := s.StartAPI("api-1")
	for _, kind := range []struct {
		name     string
		method   string
		body     int
		response int
	}{
		{"small", http.MethodGet, 0, 100},
		{"post", http.MethodPost, 1 << 10, 100},
		{"large", http.MethodGet, 0, 64 << 10},
	} {
		b.Run(kind.name, func(b *testing.B) {
			servers := s.StartBackends(3, harness.BackendSpec{Service: kind.name, Size: kind.response})
			a.Await(b, 10*time.Second, "all servers are listed", func() bool { return a.Lists(servers.IDs()...) })
			contenders := []contender{startStockProxy(b, servers.Spec.Addrs), {"rollcall", a.Proxy, "/" + kind.name + "/", a.Cmd.Process.Pid}, startAlone(b, kind.response)}
			for _, start := range []func(testing.TB, []string) (contender, bool){startNginx, startHAProxy} {
				if c, ok := start(b, servers.Spec.Addrs); ok {
					contenders = append(contenders, c)
				}
			}
			for b.Loop() {
				clientOf := func(c contender) *loadClient {
					return newLoadClient(c.addr, kind.method, c.path, kind.body, kind.response)
				}
				slowest := compare(b, contenders, clientOf)
				latencies(b, contenders, slowest/2, clientOf)
			}
			servers.Terminate()
		})
	}
}

// compare measures every contender once in each round, and reports the median of the rounds for each contender. It also reports the ratio
// of each contender's CPU time to the CPU time of the first contender. It returns the requests per second of the slowest contender.
func compare(b *testing.B, contenders []contender, clientOf func(contender) *loadClient) (slowest float64) {
	b.Helper()
	cpu, rate := make(map[string][]float64), make(map[string][]float64)
	for round := range 1 + proxyRounds {
		for _, c := range contenders {
			perRequest, perSecond := measure(b, c, clientOf(c))
			if round == 0 {
				continue // the first round only warms up
			}
			cpu[c.name], rate[c.name] = append(cpu[c.name], perRequest), append(rate[c.name], perSecond)
		}
	}
	slowest = math.Inf(1)
	for _, c := range contenders {
		perSecond := harness.Median(rate[c.name])
		slowest = min(slowest, perSecond)
		b.ReportMetric(harness.Median(cpu[c.name]), c.name+"-us/req")
		b.ReportMetric(perSecond, c.name+"-req/s")
		if c.name != contenders[0].name {
			b.ReportMetric(harness.Median(cpu[c.name])/harness.Median(cpu[contenders[0].name]), c.name+"-cpu-ratio")
		}
	}
	b.ReportMetric(0, "ns/op") // do not report ns/op, which would be the time of all rounds
	return slowest
}

// measure loads a proxy. It returns the CPU time per request in microseconds, and the requests per second.
func measure(b *testing.B, c contender, h *loadClient) (perRequest, perSecond float64) {
	b.Helper()
	h.start(b, h.run)
	fixture.Sleep(proxyWarm)
	cpu, ok := cpuOf(c.pid)
	if !ok {
		b.Skip("needs /proc for the CPU time of another process")
	}
	n, begun := h.done.Load(), time.Now()
	fixture.Sleep(proxySpan)
	n, took := h.done.Load()-n, time.Since(begun)
	after, _ := cpuOf(c.pid)
	if err := h.stop(); err != nil {
		b.Fatalf("%s: %v", c.name, err)
	}
	return float64((after - cpu).Microseconds()) / float64(n), float64(n) / took.Seconds()
}

// loadClient repeats one request on several connections, and does as little as possible with the responses. It does not use net/http, which
// would spend more CPU time than the proxy.
type loadClient struct {
	addr    string
	request []byte
	size    int // expected size of a response in bytes
	done    atomic.Int64
	ending  atomic.Bool
	ran     errgroup.Group
}

func newLoadClient(addr, method, path string, body, response int) *loadClient {
	request := fmt.Appendf(nil, "%s %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: hammer\r\nAccept: */*\r\n", method, path, addr)
	if body > 0 {
		request = fmt.Appendf(request, "Content-Type: application/octet-stream\r\nContent-Length: %d\r\n", body)
	}
	request = append(append(request, "\r\n"...), bytes.Repeat([]byte("b"), body)...)
	return &loadClient{addr: addr, request: request, size: response}
}

// start calls run for each of several connections, in a goroutine of its own. Use loadClient.ran to wait for the end of all calls.
func (h *loadClient) start(b *testing.B, run func(net.Conn) error) {
	b.Helper()
	for range proxyConns {
		conn, err := net.Dial("tcp", h.addr)
		fixture.Must(b, err)
		fixture.Must(b, conn.SetDeadline(time.Now().Add(proxyWarm+proxySpan+10*time.Second)))
		h.ran.Go(func() error {
			defer conn.Close()
			return run(conn)
		})
	}
}

func (h *loadClient) stop() error {
	h.ending.Store(true)
	return h.ran.Wait()
}

// run repeats the request until stop is called.
func (h *loadClient) run(conn net.Conn) error {
	buf := make([]byte, 32<<10)
	for !h.ending.Load() {
		if err := h.exchange(conn, buf); err != nil {
			return err
		}
		h.done.Add(1)
	}
	return nil
}

// exchange sends the request and reads its response.
func (h *loadClient) exchange(conn net.Conn, buf []byte) error {
	if _, err := conn.Write(h.request); err != nil {
		return err
	}
	return h.readResponse(conn, buf)
}

// readResponse reads a response. It returns an error unless the response has status 200 and the expected size.
func (h *loadClient) readResponse(conn net.Conn, buf []byte) error {
	n, end := 0, -1
	for end < 0 {
		if n == len(buf) {
			return errors.New("a header without end")
		}
		more, err := conn.Read(buf[n:])
		if err != nil {
			return fmt.Errorf("after %q: %w", buf[:n], err)
		}
		n += more
		end = bytes.Index(buf[:n], []byte("\r\n\r\n"))
	}
	head := buf[:end]
	if size, ok := contentLength(head); !bytes.HasPrefix(head, []byte("HTTP/1.1 200 ")) || !ok || size != h.size {
		return fmt.Errorf("want a 200 of %d bytes, got %q", h.size, head)
	}
	for rest := h.size - (n - end - 4); rest != 0; {
		if rest < 0 {
			return errors.New("the response is longer than its Content-Length")
		}
		more, err := conn.Read(buf[:min(len(buf), rest)])
		if err != nil {
			return err
		}
		rest -= more
	}
	return nil
}

func contentLength(head []byte) (int, bool) {
	const name = "\ncontent-length:"
	for i := 0; i+len(name) <= len(head); i++ {
		if head[i] == '\n' && bytes.EqualFold(head[i:i+len(name)], []byte(name)) {
			value, _, _ := bytes.Cut(head[i+len(name):], []byte("\r"))
			n, err := strconv.Atoi(string(bytes.TrimSpace(value)))
			return n, err == nil
		}
	}
	return 0, false
}
