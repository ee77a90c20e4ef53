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

// BackendSpec is data servers in one process that answer every request in the same way, once they have read its body,
// and count them.
type BackendSpec struct {
	Service string
	Addrs   []string // of one server each
	Lookupd []string
	Status  int           // default 200
	Size    int           // of an answer, in bytes; default 100
	Resets  float64       // the part of the requests that is answered by the reset of the connection
	Delay   time.Duration // before the answer
}

func (s *BackendSpec) setDefaults() {
	s.Status = cmp.Or(s.Status, http.StatusOK)
	s.Size = cmp.Or(s.Size, 100)
}

func (s BackendSpec) id(i int) string { return fmt.Sprintf("%s-%02d", s.Service, i) }

// backend is what the servers of one process share. A GET of /count tells the number of requests, /healthz apart.
type backend struct {
	spec     BackendSpec
	answer   []byte
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
		panic(http.ErrAbortHandler) // as many servers do
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
	h.Set("Content-Length", strconv.Itoa(len(b.answer)))
	h.Set(receivedHeader, strconv.FormatInt(received, 10))
	w.WriteHeader(b.spec.Status)
	_, _ = w.Write(b.answer)
}

// reset has the peer read "connection reset" where the answer should be.
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
		Cluster: nsqpubsub.Cluster{Lookupd: spec.Lookupd}, PublishTimeout: 400 * time.Millisecond, // an agent's
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
	b := &backend{spec: spec, answer: bytes.Repeat([]byte("a"), spec.Size)}
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

// backends is such a process.
type backends struct {
	*Process
	Spec BackendSpec
}

// StartBackends starts so many servers.
func (s *Site) StartBackends(servers int, spec BackendSpec) *backends {
	s.tb.Helper()
	spec.setDefaults()
	spec.Lookupd = []string{s.Lookupd.HTTP}
	for i := range servers {
		spec.Addrs = append(spec.Addrs, fixture.FreeAddr(s.tb))
		s.Servers = append(s.Servers, spec.id(i))
	}
	return &backends{Process: StartChild(s.tb, ChildCommand(s.tb, "backend", spec)), Spec: spec}
}

func (b *backends) IDs() []string {
	var ids []string
	for i := range b.Spec.Addrs {
		ids = append(ids, b.Spec.id(i))
	}
	return ids
}

// Requests is how many have come to these servers.
func (b *backends) Requests(tb testing.TB) int {
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

// Check is for the load.
func (b *backends) Check(_, by, _ string, body []byte) error {
	if len(body) != b.Spec.Size {
		return fmt.Errorf("%s answers %d bytes, want %d", by, len(body), b.Spec.Size)
	}
	return nil
}
