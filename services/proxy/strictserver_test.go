package proxy_test

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"rollcall/integration/fixture"
)

// seen is a request as the server received it.
type seen struct {
	line    string // request line
	head    string // raw header with the request line
	body    string
	trailer string
}

// fields returns all values of a header field. The case of the name does not matter.
func (s seen) fields(name string) []string {
	var all []string
	for line := range strings.SplitSeq(s.head, "\r\n") {
		if n, v, ok := strings.Cut(line, ":"); ok && strings.EqualFold(n, name) {
			all = append(all, strings.TrimSpace(v))
		}
	}
	return all
}

// strictServer is a server that accepts only strictly valid HTTP/1.1, and records the requests.
type strictServer struct {
	addr   string
	answer func(seen) string // returns the raw response to a request; if answer is nil, the server responds with okResponse

	mu    sync.Mutex
	whole []seen  // complete requests
	cut   int     // number of requests that ended before they were complete
	wrong []error // one error for each malformed request
}

const okResponse = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Type: text/plain\r\n\r\nok"

func newStrictServer(t testing.TB, answer func(seen) string) *strictServer {
	t.Helper()
	w := &strictServer{answer: answer}
	w.addr = fixture.Serve(t, func(c net.Conn) {
		r := bufio.NewReader(c)
		for {
			s, err := readStrictly(r)
			w.note(s, err)
			if err != nil {
				return
			}
			text := okResponse
			if w.answer != nil {
				text = w.answer(s)
			}
			if _, err := io.WriteString(c, text); err != nil {
				return
			}
		}
	})
	t.Cleanup(func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		for _, err := range w.wrong {
			t.Error("the server was sent a malformed request:", err)
		}
	})
	return w
}

func (w *strictServer) note(s seen, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var malformed malformedError
	switch {
	case err == nil:
		w.whole = append(w.whole, s)
	case errors.As(err, &malformed):
		w.wrong = append(w.wrong, err)
	case s.head != "":
		w.cut++
	}
}

func (w *strictServer) got() []seen {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.whole)
}

func (w *strictServer) wasCut() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.cut
}

// take returns the complete requests since the last take, and forgets them.
func (w *strictServer) take() []seen {
	w.mu.Lock()
	defer w.mu.Unlock()
	got := w.whole
	w.whole = nil
	return got
}

// last takes the complete requests, as take does, and returns the only one. It fails the test unless there is exactly one request.
func (w *strictServer) last(t testing.TB) seen {
	t.Helper()
	got := w.take()
	if len(got) != 1 {
		t.Fatalf("the server got %d requests, want 1: %.300q", len(got), got)
	}
	return got[0]
}

type malformedError string

func (e malformedError) Error() string { return string(e) }

// readStrictly reads a request. It parses the header itself, so that it can find errors that net/http would accept.
func readStrictly(r *bufio.Reader) (s seen, err error) {
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			s.head += line
			return s, err
		}
		if !strings.HasSuffix(line, "\r\n") || strings.ContainsAny(strings.TrimSuffix(line, "\r\n"), "\r\x00") {
			return s, malformedError(strconv.Quote(line))
		}
		s.head += line
		if line == "\r\n" {
			break
		}
		if s.line == "" {
			s.line = strings.TrimSuffix(line, "\r\n")
			if strings.Count(s.line, " ") != 2 || !strings.HasSuffix(s.line, " HTTP/1.1") {
				return s, malformedError(strconv.Quote(line))
			}
		} else if name, _, ok := strings.Cut(line, ":"); !ok || name == "" || strings.ContainsAny(name, " \t_") {
			return s, malformedError(strconv.Quote(line))
		}
	}
	length, coding := s.fields("Content-Length"), s.fields("Transfer-Encoding")
	if len(s.fields("Host")) != 1 || len(length)+len(coding) > 1 {
		return s, malformedError(strconv.Quote(s.head))
	}
	switch {
	case len(length) == 1:
		n, err := strconv.Atoi(length[0])
		if err != nil || n < 0 {
			return s, malformedError(strconv.Quote(s.head))
		}
		body := make([]byte, n)
		_, err = io.ReadFull(r, body)
		s.body = string(body)
		return s, err
	case len(coding) == 1:
		if coding[0] != "chunked" {
			return s, malformedError(strconv.Quote(s.head))
		}
		body, err := io.ReadAll(httputil.NewChunkedReader(r))
		if s.body = string(body); err != nil {
			return s, err
		}
		for {
			line, err := r.ReadString('\n')
			if err != nil || line == "\r\n" {
				return s, err
			}
			s.trailer += line
		}
	}
	return s, nil
}

// ask sends the request as raw bytes on a new connection and reads one response.
func (f *testProxy) ask(request string) response {
	f.t.Helper()
	c := f.dial()
	defer c.Close()
	if _, err := io.WriteString(c, request); err != nil {
		f.t.Fatal(err)
	}
	method, _, _ := strings.Cut(request, " ")
	return f.receive(bufio.NewReader(c), c, method)
}

func (f *testProxy) receive(r *bufio.Reader, c net.Conn, method string) response {
	f.t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(5 * time.Second))
	resp, err := http.ReadResponse(r, &http.Request{Method: method})
	if err != nil {
		f.t.Fatal("no response:", err)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		f.t.Fatal("no complete response:", err)
	}
	return response{resp.StatusCode, resp.Header, string(body), resp.Trailer}
}

// of returns a copy of f for a subtest. The copy reports errors to t.
func (f *testProxy) of(t *testing.T) *testProxy {
	g := *f
	g.t = t
	return &g
}

// checkNoFailures fails the test if the proxy has counted a failure or an ejection of a server, or has reported evidence.
func (f *testProxy) checkNoFailures() {
	f.t.Helper()
	if n := f.failures(); n != 0 {
		f.t.Errorf("%v failures of the server", n)
	}
	if n := f.metric("rollcall_proxy_ejections_total"); n != 0 {
		f.t.Errorf("%v ejections", n)
	}
	if e := f.registry.reported(); len(e) != 0 {
		f.t.Errorf("evidence against the server: %+v", e)
	}
}
