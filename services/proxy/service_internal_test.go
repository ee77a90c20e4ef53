package proxy

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"rollcall/events"
	"rollcall/services/proxy/upstream"
	"rollcall/services/registry"
)

// requestLine is the header of a request as raw text.
type requestLine string

func (l requestLine) WriteHeader(w *bufio.Writer) error {
	_, err := w.WriteString(string(l))
	return err
}

// A request may choose a server just before the server leaves. Then the proxy opens and keeps a connection to a server that has left. The
// proxy must forget the service nevertheless.
func TestServiceWithoutServersIsForgotten(t *testing.T) {
	p := mustNew(t, Config{Dial: func(context.Context, string) (net.Conn, error) {
		ours, its := net.Pipe()
		go func() {
			if _, err := http.ReadRequest(bufio.NewReader(its)); err == nil {
				_, _ = io.WriteString(its, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
			}
		}()
		return ours, nil
	}})
	now := time.Now()
	s, err := p.newService("data")
	if err != nil {
		t.Fatal(err)
	}
	s.update(registry.NewMembership([]*events.Server{{Service: "data", ID: "a", Addr: "10.0.0.1:80", State: events.StateAlive, Weight: 100, Incarnation: 1}}).Service("data"), now)
	s.inFlight.Add(1)
	e := s.balancer.Pick(0, nil)
	s.update(nil, now)
	in := s.instance(e)
	resp, err := in.Do(context.Background(), &upstream.Request{Method: http.MethodGet, Header: requestLine("GET / HTTP/1.1\r\nHost: h\r\n")})
	if err != nil {
		t.Fatal(err)
	}
	if err := resp.Close(nil); err != nil || s.connections()+in.Connections() == 0 {
		t.Fatalf("the connection is not kept: %v", err)
	}
	s.inFlight.Add(-1)
	if s.empty() {
		t.Error("the service counts as empty although a connection is open")
	}
	s.neededAt = now
	s.sweep(now)
	if n := s.connections(); n > 0 {
		t.Errorf("%d connections are kept to a server that has left", n)
	}
	if !s.empty() {
		t.Error("the service is not empty")
	}
	p.services.Store(&map[string]*service{"data": s})
	for _, after := range []time.Duration{0, forgetAfter} {
		if p.tick(now.Add(after)); len(*p.services.Load()) != 1 {
			t.Errorf("the service is forgotten after %v", after)
		}
	}
	if p.tick(now.Add(forgetAfter + time.Second)); len(*p.services.Load()) != 0 {
		t.Error("the empty service is not forgotten")
	}
}
