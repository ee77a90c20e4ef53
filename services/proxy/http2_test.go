package proxy_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"rollcall/services/proxy"
)

// certified returns TLS configurations for a proxy and for its clients.
func certified(t testing.TB) (front, clients *tls.Config) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(cert)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}, &tls.Config{RootCAs: roots}
}

func startTLS(t testing.TB, addr string) (*testProxy, *tls.Config) {
	t.Helper()
	front, clients := certified(t)
	return start(t, func(c *proxy.Config) { c.TLS = front }, server("a", addr)), clients
}

func TestHTTP2(t *testing.T) {
	t.Parallel()
	f, clients := startTLS(t, backend(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/echo" {
			w.Header().Set("X-Seen", strings.Join([]string{r.Proto, r.Host, r.Header.Get("X-Forwarded-Proto"), r.Header.Get("X-Forwarded-For"), r.Header.Get("Cookie")}, " "))
			w.Header()["Content-Type"] = nil
			_, _ = io.WriteString(w, "hello")
			return
		}
		w.Header().Set("Trailer", "X-Sum")
		_ = http.NewResponseController(w).EnableFullDuplex()
		b := make([]byte, 100)
		for {
			n, err := r.Body.Read(b)
			_, _ = w.Write(b[:n])
			_ = http.NewResponseController(w).Flush()
			if err != nil {
				break
			}
		}
		w.Header().Set("X-Sum", "of "+r.Trailer.Get("X-Sent"))
		w.Header().Set(http.TrailerPrefix+"X-Late", "1")
	}))
	transport := &http.Transport{TLSClientConfig: clients, ForceAttemptHTTP2: true}
	t.Cleanup(transport.CloseIdleConnections)
	c := &http.Client{Transport: transport, Timeout: 10 * time.Second}
	url := "https://" + f.addr

	req, _ := http.NewRequest("GET", url+"/data/x", nil)
	req.Header["Cookie"] = []string{"a=1; b=2"}
	resp, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	if err != nil || resp.ProtoMajor != 2 || string(body) != "hello" || resp.Header.Get("X-Served-By") != "a" || resp.Header["Content-Type"] != nil {
		t.Errorf("got %s %v %q, %v", resp.Proto, resp.Header, body, err)
	}
	if seen := resp.Header.Get("X-Seen"); seen != "HTTP/1.1 "+f.addr+" https 127.0.0.1 a=1; b=2" {
		t.Errorf("the server saw %q", seen)
	}

	for name, size := range map[string]int64{"unknown length": -1, "small known length": 8, "large known length": 100_000} {
		t.Run("body of "+name, func(t *testing.T) {
			in, out := io.Pipe()
			defer in.Close()
			req, _ := http.NewRequest("POST", url+"/data/echo", in)
			req.ContentLength = size
			req.Trailer = http.Header{"X-Sent": nil}
			half := strings.Repeat("h", int(max(size, 8))/2)
			sent := make(chan struct{})
			go func() {
				_, _ = io.WriteString(out, half)
				if size < 0 {
					<-sent // wait until the client has received the first half
				}
				_, _ = io.WriteString(out, half)
				req.Trailer.Set("X-Sent", "mine")
				_ = out.Close()
			}()
			resp, err := c.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			first := make([]byte, len(half))
			if _, err := io.ReadFull(resp.Body, first); err != nil || string(first) != half {
				t.Errorf("got %.20q, %v", first, err)
			}
			close(sent)
			if rest, err := io.ReadAll(resp.Body); err != nil || string(rest) != half {
				t.Errorf("got %.20q, %v", rest, err)
			}
			if sum := resp.Trailer.Get("X-Sum"); !strings.HasPrefix(sum, "of") || size < 0 && sum != "of mine" || resp.Trailer.Get("X-Late") != "1" {
				t.Errorf("got trailer %v", resp.Trailer)
			}
		})
	}
	f.checkNoFailures()
}

// h2 sends one HTTP/2 request on a new connection. It returns the status of the response, "reset" or "closed" if the proxy ends the stream
// or the connection instead, or "nothing" after 5 s.
func (f *testProxy) h2(clients *tls.Config, fields [][2]string, body string, ends bool) string {
	f.t.Helper()
	cfg := clients.Clone()
	cfg.NextProtos = []string{"h2"}
	c, err := tls.Dial("tcp", f.addr, cfg)
	if err != nil {
		f.t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(5 * time.Second))
	_, _ = io.WriteString(c, http2.ClientPreface)
	framer := http2.NewFramer(c, c)
	framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	_ = framer.WriteSettings()
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	for _, field := range fields {
		_ = encoder.WriteField(hpack.HeaderField{Name: field[0], Value: field[1]})
	}
	_ = framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block.Bytes(), EndHeaders: true, EndStream: ends && body == ""})
	if body != "" {
		_ = framer.WriteData(1, ends, []byte(body))
	}
	for {
		frame, err := framer.ReadFrame()
		if nerr := net.Error(nil); errors.As(err, &nerr) && nerr.Timeout() {
			return "nothing"
		}
		if err != nil {
			return "closed"
		}
		switch frame := frame.(type) {
		case *http2.MetaHeadersFrame:
			return frame.PseudoValue("status")
		case *http2.RSTStreamFrame:
			return "reset"
		case *http2.GoAwayFrame:
			if frame.ErrCode != http2.ErrCodeNo {
				return "closed"
			}
		}
	}
}

func TestMalformedHTTP2Requests(t *testing.T) {
	t.Parallel()
	w := newStrictServer(t, nil)
	f, clients := startTLS(t, w.addr)
	refused := []string{"400", "reset", "closed"}[:3:3]
	request := func(method, path, authority string, more ...string) [][2]string {
		all := [][2]string{{":method", method}, {":scheme", "https"}, {":path", path}, {":authority", authority}}
		for i := 0; i < len(more); i += 2 {
			all = append(all, [2]string{more[i], more[i+1]})
		}
		return all
	}
	for _, row := range []struct {
		name   string
		fields [][2]string
		body   string
		want   []string
		line   string // the only request line that the server may receive; "" means that no request may reach the server
	}{
		{"a valid request", request("GET", "/data/x?a=b", "h"), "", []string{"200"}, "GET /x?a=b HTTP/1.1"},
		{"a space in the method", request("GE T", "/data/x", "h"), "", refused, ""},
		{"a second request in the method", request("GET /data/y HTTP/1.1\r\nHost: h\r\n\r\nGET", "/data/x", "h"), "", refused, ""},
		{"a colon in the method", request("GET:", "/data/x", "h"), "", refused, ""},
		{"no method", request("", "/data/x", "h"), "", refused, ""},
		{"CONNECT", [][2]string{{":method", "CONNECT"}, {":authority", "h:443"}}, "", []string{"405", "reset"}, ""},
		{"CONNECT to a websocket", request("CONNECT", "/data/x", "h", ":protocol", "websocket"), "", []string{"400", "405", "reset", "closed"}, ""},
		{"TRACE", request("TRACE", "/data/x", "h"), "", []string{"405"}, ""},
		{"a space in the query", request("GET", "/data/x?a b", "h"), "", refused, ""},
		{"a header in the query", request("GET", "/data/x?a HTTP/1.1\r\nX-A: b", "h"), "", refused, ""},
		{"a line end in the query", request("GET", "/data/x?a\nb", "h"), "", refused, ""},
		{"NUL in the query", request("GET", "/data/x?a\x00", "h"), "", refused, ""},
		{"a space in the path", request("GET", "/data/a b", "h"), "", refused, ""},
		{"a line end in the path", request("GET", "/data/a\r\nX-A: b", "h"), "", refused, ""},
		{"no path", request("GET", "", "h"), "", refused, ""},
		{"a path without a slash", request("GET", "data/x", "h"), "", refused, ""},
		{"absolute form", request("GET", "http://evil/data/x", "h"), "", append(refused, "404", "200"), "GET /x HTTP/1.1"},
		{"two dots", request("GET", "/data/%2e./x", "h"), "", []string{"400"}, ""},
		{"an escaped slash", request("GET", "/data/a%2fb", "h"), "", []string{"200"}, "GET /a%2fb HTTP/1.1"},
		{"a space in the authority", request("GET", "/data/x", "a b"), "", refused, ""},
		{"a header in the authority", request("GET", "/data/x", "h\r\nX-A: b"), "", refused, ""},
		{"a slash in the authority", request("GET", "/data/x", "h/evil"), "", refused, ""},
		{"a bracket in the authority", request("GET", "/data/x", "h<x>"), "", refused, ""},
		{"host and authority differ", request("GET", "/data/x", "h", "host", "evil"), "", []string{"200", "400", "reset"}, "GET /x HTTP/1.1"},
		{"an upper-case name", request("GET", "/data/x", "h", "X-A", "b"), "", refused, ""},
		{"a space in a name", request("GET", "/data/x", "h", "x a", "b"), "", refused, ""},
		{"a colon in a name", request("GET", "/data/x", "h", "x:a", "b"), "", refused, ""},
		{"a header in a value", request("GET", "/data/x", "h", "x-a", "b\r\nx-b: c"), "", refused, ""},
		{"NUL in a value", request("GET", "/data/x", "h", "x-a", "b\x00"), "", refused, ""},
		{"connection", request("GET", "/data/x", "h", "connection", "close"), "", refused, ""},
		{"transfer-encoding", request("POST", "/data/x", "h", "transfer-encoding", "chunked"), "0\r\n\r\n", refused, ""},
		{"upgrade", request("GET", "/data/x", "h", "upgrade", "websocket"), "", refused, ""},
		{"te", request("GET", "/data/x", "h", "te", "gzip"), "", refused, ""},
		{"an underscore", request("GET", "/data/x", "h", "x_a", "b"), "", []string{"200"}, "GET /x HTTP/1.1"},
		{"a body longer than its length", request("POST", "/data/x", "h", "content-length", "2"), "body", refused, ""},
		{"a body shorter than its length", request("POST", "/data/x", "h", "content-length", "20"), "body", refused, ""},
		{"a body shorter than a large length", request("POST", "/data/x", "h", "content-length", "200000"), "body", refused, ""},
		// net/http accepts the next two requests although their lengths are wrong. The proxy forwards each body with a correct length or in
		// chunks.
		{"a length without a body", request("POST", "/data/x", "h", "content-length", "2"), "", append(refused, "200"), "POST /x HTTP/1.1"},
		{"two lengths", request("POST", "/data/x", "h", "content-length", "4", "content-length", "5"), "body", append(refused, "200"), "POST /x HTTP/1.1"},
		{"GET with a body", request("GET", "/data/x", "h", "content-length", "4"), "body", []string{"200"}, "GET /x HTTP/1.1"},
	} {
		t.Run(row.name, func(t *testing.T) {
			f := f.of(t)
			status := f.h2(clients, row.fields, row.body, true)
			if !slices.Contains(row.want, status) {
				t.Errorf("got %s, want one of %s", status, row.want)
			}
			got := w.take()
			if row.line == "" && len(got) != 0 || len(got) > 1 || len(got) == 1 && got[0].line != row.line {
				t.Errorf("the server got %q", got)
			}
			if len(got) == 1 && (got[0].fields("Host")[0] != "h" || got[0].body != row.body || strings.Contains(got[0].head, "evil")) {
				t.Errorf("the server got %q", got)
			}
		})
	}
	f.checkNoFailures()
}
