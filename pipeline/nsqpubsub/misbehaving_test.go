package nsqpubsub_test

import (
	"bufio"
	"encoding/binary"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"rollcall/integration/fixture"
	"rollcall/pipeline/nsqpubsub"
	"rollcall/services/embednsq"
)

// hugeFrame returns the beginning of a frame that claims to be of the given size.
func hugeFrame(size uint32) string {
	return string(binary.BigEndian.AppendUint32(nil, size)) + "\x00\x00\x00\x02 only this much"
}

// misbehaviour is what an nsqd sends instead of what it should: each row leads to a new connection after a pause, and to nothing else.
// Where an nsqd only stops sending, that takes the read timeout.
var misbehaviour = map[string]struct {
	sent  string
	stops bool
}{
	"nothing":      {"", true},
	"half a size":  {"\x00\x00", true},
	"half a frame": {string(frame(2, strings.Repeat("x", 100))[:50]), true},
	"the largest frame, of which few bytes arrive": {hugeFrame(64 << 20), true},
	"garbage":                          {"\x17\x03\x03 garbage, of which nothing is a frame", false},
	"a frame without type":             {"\x00\x00\x00\x02xx", false},
	"a frame of negative size":         {hugeFrame(1 << 31), false},
	"a frame of unknown type":          {string(frame(7, "x")), false},
	"a message without ID":             {string(frame(2, "too short")), false},
	"an error":                         {string(frame(errorFrame, "E_INVALID no reason")), false},
	"a response that nobody asked for": {string(frame(responseFrame, "OK")) + string(frame(responseFrame, "OK")), false},
	"a close that nobody asked for":    {string(frame(responseFrame, "CLOSE_WAIT")), false},
	"an empty response":                {string(frame(responseFrame, "")), false},
}

func TestConsumerOfMisbehavingNSQD(t *testing.T) {
	for name, row := range misbehaviour {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := mustScriptedNSQD(t, func(conn net.Conn, r *bufio.Reader) {
				if _, err := r.ReadString('\n'); err != nil { // SUB
					return
				}
				_, _ = conn.Write(frame(responseFrame, "OK"))
				_, _ = io.WriteString(conn, row.sent)
				_, _ = io.Copy(io.Discard, r) // until the consumer closes the connection
			})
			healthy := fixture.NSQD(t, embednsq.NSQDConfig{})
			start := time.Now()
			cfg := nsqpubsub.ConsumerConfig{Cluster: nsqpubsub.Cluster{NSQD: []string{f.addr, healthy.TCPAddr()}}}
			if row.stops {
				cfg.HeartbeatInterval, cfg.ReadTimeout = time.Second, 1500*time.Millisecond
			}
			c := mustRun(t, cfg)
			fixture.Eventually(t, 10*time.Second, "three connections", func() bool { n, _ := f.connections(); return n >= 3 })
			if took := time.Since(start); took < 2*400*time.Millisecond {
				t.Errorf("three connections within %v: there is no pause between them", took)
			}
			p := mustProducer(t, nsqpubsub.ProducerConfig{Cluster: nsqpubsub.Cluster{NSQD: []string{healthy.TCPAddr()}}})
			mustPublish(t, p, "x")
			fixture.Eventually(t, 5*time.Second, "the healthy nsqd delivers", func() bool { return c.has("x") })
			for _, n := range c.Nodes() {
				if n.Address == f.addr && n.Received > 0 {
					t.Errorf("%d messages arrived", n.Received)
				}
			}
			start = time.Now()
			if err := c.stop(); err != nil {
				t.Error(err)
			}
			if took := time.Since(start); took > 5*time.Second { // 1 s, and what a loaded machine adds
				t.Errorf("the stop took %v", took)
			}
		})
	}
}

func TestPublishToMisbehavingNSQD(t *testing.T) {
	for name, row := range misbehaviour {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := mustScriptedNSQD(t, func(conn net.Conn, r *bufio.Reader) {
				if _, err := r.ReadString('\n'); err != nil { // PUB
					return
				}
				_, _ = io.WriteString(conn, row.sent)
				_, _ = io.Copy(io.Discard, r)
			})
			healthy := fixture.NSQD(t, embednsq.NSQDConfig{})
			p := mustProducer(t, nsqpubsub.ProducerConfig{
				Cluster:        nsqpubsub.Cluster{NSQD: []string{f.addr, healthy.TCPAddr()}},
				PublishTimeout: 500 * time.Millisecond,
			})
			for range 5 {
				mustPublish(t, p, "x") // to the other nsqd, if the first one fails
			}
			err := p.PublishTo(t.Context(), f.addr, "t", []byte("x"))
			if answered := name == "a response that nobody asked for"; (err == nil) != answered {
				t.Errorf("got %v", err) // the first OK is the response to PUB
			}
		})
	}
}

// nsqd can send a heartbeat before it responds to a command, and waits for NOP.
func TestHeartbeatBeforeResponse(t *testing.T) {
	answered := make(chan string, 1)
	f := mustScriptedNSQD(t, func(conn net.Conn, r *bufio.Reader) {
		if _, err := r.ReadString('\n'); err != nil { // SUB
			return
		}
		_, _ = conn.Write(frame(responseFrame, "_heartbeat_"))
		line, _ := r.ReadString('\n')
		_, _ = conn.Write(frame(responseFrame, "OK"))
		answered <- line
		_, _ = io.Copy(io.Discard, r)
	})
	c := mustRun(t, nsqpubsub.ConsumerConfig{Cluster: nsqpubsub.Cluster{NSQD: []string{f.addr}}})
	if got := <-answered; got != "NOP\n" {
		t.Errorf("got %q, want NOP", got)
	}
	fixture.Eventually(t, 5*time.Second, "subscribed", func() bool { return c.connected(f.addr) })
}

// An nsqd that claims large frames on many connections takes no memory.
func TestClaimedSizesTakeNoMemory(t *testing.T) {
	f := mustScriptedNSQD(t, func(conn net.Conn, r *bufio.Reader) {
		if _, err := r.ReadString('\n'); err != nil {
			return
		}
		_, _ = conn.Write(frame(responseFrame, "OK"))
		_, _ = io.WriteString(conn, hugeFrame(64<<20))
		_, _ = io.Copy(io.Discard, r)
	})
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range 10 {
		mustRun(t, nsqpubsub.ConsumerConfig{Cluster: nsqpubsub.Cluster{NSQD: []string{f.addr}}})
	}
	fixture.Eventually(t, 5*time.Second, "ten connections", func() bool { n, _ := f.connections(); return n >= 10 })
	runtime.ReadMemStats(&after)
	if got := after.TotalAlloc - before.TotalAlloc; got > 64<<20 {
		t.Errorf("allocated %d MiB for frames of which few bytes arrived", got>>20)
	}
}
