package nsqpubsub_test

import (
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// proxy stands between a client and an nsqd. It can fall silent as a network does that drops every packet: nothing is
// closed, and nothing comes through.
type proxy struct {
	net.Listener
	target string
	silent atomic.Bool   // new connections are silent from the start
	delay  time.Duration // of new connections
	sent   recorder      // by clients

	mu    sync.Mutex
	pipes []*pipe
}

type pipe struct {
	client, server net.Conn
	silent         atomic.Bool
}

func mustProxy(t testing.TB, target string, delay time.Duration) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{Listener: l, target: target, delay: delay}
	var running sync.WaitGroup
	running.Go(func() { p.accept(&running) })
	t.Cleanup(func() {
		_ = l.Close()
		p.mu.Lock()
		for _, c := range p.pipes {
			_ = c.client.Close()
			_ = c.server.Close()
		}
		p.mu.Unlock()
		running.Wait()
	})
	return p
}

func (p *proxy) addr() string { return p.Addr().String() }

func (p *proxy) accept(running *sync.WaitGroup) {
	for {
		client, err := p.Accept()
		if err != nil {
			return
		}
		<-time.After(p.delay)
		server, err := net.Dial("tcp", p.target)
		if err != nil {
			_ = client.Close()
			continue
		}
		c := &pipe{client: client, server: server}
		c.silent.Store(p.silent.Load())
		p.mu.Lock()
		p.pipes = append(p.pipes, c)
		p.mu.Unlock()
		running.Go(func() { c.carry(client, server, p.sent.add) })
		running.Go(func() { c.carry(server, client, func([]byte) {}) })
	}
}

func (c *pipe) carry(from, to net.Conn, record func([]byte)) {
	buf := make([]byte, 4096)
	for {
		n, err := from.Read(buf)
		record(buf[:n])
		if err == nil && !c.silent.Load() {
			_, err = to.Write(buf[:n])
		}
		if err != nil {
			break
		}
	}
	if !c.silent.Load() {
		_ = to.Close()
	}
}

// mute silences the connections that there are.
func (p *proxy) mute() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.pipes {
		c.silent.Store(true)
	}
}

// recorder keeps what clients send.
type recorder struct {
	mu  sync.Mutex
	got strings.Builder
}

func (r *recorder) add(b []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.got.Write(b)
}

// last is what follows the last mark.
func (r *recorder) last(mark string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := r.got.String()
	i := strings.LastIndex(all, mark)
	if i < 0 {
		return ""
	}
	return all[i+len(mark):]
}
