package harness

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"rollcall/integration/fixture"
	"rollcall/pipeline/nsqpubsub"
	"rollcall/services/dataserver"
)

// BackendSpec describes data servers in one process. They read each request to its end, count it, and send the same response to every
// request.
type BackendSpec struct {
	Service string
	Addrs   []string      // address of each server
	Lookupd []string      // HTTP addresses of nsqlookupd
	Status  int           // status of the response; default 200
	Size    int           // size of the response's body in bytes; default 100
	Resets  float64       // share of requests, 0 to 1, for which the connection is reset instead
	Delay   time.Duration // time from the request to the response
}

func (s *BackendSpec) setDefaults() {
	s.Status = cmp.Or(s.Status, http.StatusOK)
	s.Size = cmp.Or(s.Size, 100)
}

func (s BackendSpec) id(i int) string { return fmt.Sprintf("%s-%02d", s.Service, i) }

// backend is the handler of all servers in the process. GET /count returns the number of requests so far, not counting the requests for
// /count itself.
type backend struct {
	spec     BackendSpec
	body     []byte
	requests atomic.Int64
}

func (b *backend) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/count" {
		_, _ = fmt.Fprint(w, b.requests.Load())
		return
	}
	b.requests.Add(1)
	received, err := io.Copy(io.Discard, r.Body)
	if err != nil {
		panic(http.ErrAbortHandler) // close the connection, as many servers do after a broken body
	}
	if b.spec.Resets > 0 && rand.Float64() < b.spec.Resets {
		reset(w)
		return
	}
	if b.spec.Delay > 0 {
		fixture.Sleep(b.spec.Delay)
	}
	h := w.Header()
	h.Set("Content-Type", "application/octet-stream")
	h.Set("Content-Length", strconv.Itoa(len(b.body)))
	h.Set(receivedHeader, strconv.FormatInt(received, 10))
	w.WriteHeader(b.spec.Status)
	_, _ = w.Write(b.body)
}

// reset sends a TCP reset instead of a response.
func reset(w http.ResponseWriter) {
	conn, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	_ = conn.(*net.TCPConn).SetLinger(0)
	_ = conn.Close()
}

func startChildBackend(spec BackendSpec) (string, func() error, error) {
	spec.setDefaults()
	producer, err := nsqpubsub.NewProducer(nsqpubsub.ProducerConfig{
		Cluster: nsqpubsub.Cluster{Lookupd: spec.Lookupd}, PublishTimeout: 400 * time.Millisecond, // PublishTimeout is as long as in dataserver.Agent
	})
	if err != nil {
		return "", nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	stop := func() error {
		cancel()
		running.Wait()
		return producer.Close()
	}
	b := &backend{spec: spec, body: bytes.Repeat([]byte("a"), spec.Size)}
	listening, failed := make(chan string, len(spec.Addrs)), make(chan error, len(spec.Addrs))
	for i, addr := range spec.Addrs {
		s, err := dataserver.NewServer(dataserver.ServerConfig{
			Listen:   addr,
			OnListen: func(listen, _ string) { listening <- listen },
			Handler:  b,
			Linger:   time.Millisecond,
			Agent:    dataserver.Config{Service: spec.Service, ID: spec.id(i), Publisher: producer},
		})
		if err != nil {
			return "", nil, errors.Join(err, stop())
		}
		running.Go(func() { failed <- s.Run(ctx) })
	}
	for range spec.Addrs {
		select {
		case <-listening:
		case err := <-failed:
			return "", nil, errors.Join(err, stop())
		}
	}
	return "serves", stop, nil
}

// Backends is a process that runs the data servers of a BackendSpec.
type Backends struct {
	*Process
	Spec BackendSpec
}

// StartBackends starts data servers in one process. It sets spec.Addrs and spec.Lookupd.
func (s *Site) StartBackends(servers int, spec BackendSpec) *Backends {
	s.tb.Helper()
	spec.setDefaults()
	spec.Lookupd = []string{s.Lookupd.HTTP}
	for i := range servers {
		spec.Addrs = append(spec.Addrs, fixture.FreeAddr(s.tb))
		s.Servers = append(s.Servers, spec.id(i))
	}
	return &Backends{Process: StartChild(s.tb, ChildCommand(s.tb, "backend", spec)), Spec: spec}
}

// IDs returns the ids of the servers.
func (b *Backends) IDs() []string {
	var ids []string
	for i := range b.Spec.Addrs {
		ids = append(ids, b.Spec.id(i))
	}
	return ids
}

// Requests returns the number of requests that the servers have received.
func (b *Backends) Requests(tb testing.TB) int {
	tb.Helper()
	resp, err := http.Get("http://" + b.Spec.Addrs[0] + "/count")
	fixture.Must(tb, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	fixture.Must(tb, err)
	n, err := strconv.Atoi(string(text))
	fixture.Must(tb, err)
	return n
}

// Check returns an error if a response of these servers has a wrong body. A test uses it as LoadSpec.Check.
func (b *Backends) Check(_, server, _ string, body []byte) error {
	if len(body) != b.Spec.Size {
		return fmt.Errorf("%s responded with %d bytes, want %d", server, len(body), b.Spec.Size)
	}
	return nil
}
