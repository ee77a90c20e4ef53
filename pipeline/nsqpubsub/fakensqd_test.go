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

// fakeNSQD answers IDENTIFY as it is told and records what it receives.
type fakeNSQD struct {
	addr   string
	answer []byte // to IDENTIFY, a frame
	refuse []byte // answer to what comes then, which ends the connection; nil: none

	mu       sync.Mutex
	received []string // on each connection, after IDENTIFY
}

const (
	responseFrame = 0
	errorFrame    = 1
)

func frame(kind uint32, data string) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(4+len(data)))
	return append(binary.BigEndian.AppendUint32(b, kind), data...)
}

func mustFakeNSQD(t testing.TB, answer []byte) *fakeNSQD { return mustRefusingNSQD(t, answer, nil) }

func mustRefusingNSQD(t testing.TB, answer, refuse []byte) *fakeNSQD {
	t.Helper()
	f := &fakeNSQD{answer: answer, refuse: refuse}
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
	if _, err := r.ReadString('\n'); err != nil { // IDENTIFY
		return
	}
	var size uint32
	if err := binary.Read(r, binary.BigEndian, &size); err != nil {
		return
	}
	if _, err := io.CopyN(io.Discard, r, int64(size)); err != nil {
		return
	}
	if _, err := conn.Write(f.answer); err != nil {
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
		if f.refuse != nil {
			_, _ = conn.Write(f.refuse)
			return
		}
	}
}

// connections is how many there were, and everything that came after IDENTIFY.
func (f *fakeNSQD) connections() (n int, after string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range f.received {
		after += r
	}
	return len(f.received), after
}
