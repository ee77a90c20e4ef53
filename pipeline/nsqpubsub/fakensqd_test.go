package nsqpubsub_test

import (
	"bufio"
	"encoding/binary"
	"io"
	"net"
	"sync"
	"testing"

	"rollcall/integration/fixture"
)

// fakeNSQD sends a fixed response to the command IDENTIFY and records what it receives afterwards. With a script, it does not record, but
// passes the connection to the script after the response to IDENTIFY.
type fakeNSQD struct {
	addr     string
	identify []byte // the frame that is sent in response to the command IDENTIFY
	script   func(net.Conn, *bufio.Reader)
	reject   []byte // if set, this is sent in response to the first command after IDENTIFY, and the connection is closed

	mu       sync.Mutex
	received []string // for each connection, the text received after the command IDENTIFY
}

const (
	responseFrame = 0
	errorFrame    = 1
)

func frame(kind uint32, data string) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(4+len(data)))
	return append(binary.BigEndian.AppendUint32(b, kind), data...)
}

func mustFakeNSQD(t testing.TB, identify []byte) *fakeNSQD {
	return mustRejectingNSQD(t, identify, nil)
}

func mustRejectingNSQD(t testing.TB, identify, reject []byte) *fakeNSQD {
	t.Helper()
	f := &fakeNSQD{identify: identify, reject: reject}
	f.addr = fixture.Serve(t, f.serve)
	return f
}

// mustScriptedNSQD agrees to everything that IDENTIFY asks for, and then runs the script for each connection.
func mustScriptedNSQD(t testing.TB, script func(net.Conn, *bufio.Reader)) *fakeNSQD {
	t.Helper()
	f := &fakeNSQD{identify: frame(responseFrame, `{"max_rdy_count":2500}`), script: script}
	f.addr = fixture.Serve(t, f.serve)
	return f
}

func (f *fakeNSQD) serve(conn net.Conn) {
	f.mu.Lock()
	n := len(f.received)
	f.received = append(f.received, "")
	f.mu.Unlock()
	r := bufio.NewReader(conn)
	if _, err := io.CopyN(io.Discard, r, int64(len("  V2"))); err != nil {
		return
	}
	if _, err := r.ReadString('\n'); err != nil { // the first line is the command IDENTIFY
		return
	}
	var size uint32
	if err := binary.Read(r, binary.BigEndian, &size); err != nil {
		return
	}
	if _, err := io.CopyN(io.Discard, r, int64(size)); err != nil {
		return
	}
	if _, err := conn.Write(f.identify); err != nil {
		return
	}
	if f.script != nil {
		f.script(conn, r)
		return
	}
	buf := make([]byte, 4096)
	for {
		got, err := r.Read(buf)
		f.mu.Lock()
		f.received[n] += string(buf[:got])
		f.mu.Unlock()
		if err != nil {
			return
		}
		if f.reject != nil {
			_, _ = conn.Write(f.reject)
			return
		}
	}
}

// connections returns the number of connections, and the text that arrived on all of them together after the command IDENTIFY.
func (f *fakeNSQD) connections() (n int, after string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range f.received {
		after += r
	}
	return len(f.received), after
}
