package upstream

import (
	"bufio"
	"errors"
	"net"
	"sync"
	"syscall"
	"time"
)

// headerLimit is the maximum number of bytes before the body of a response: the interim responses and the response header.
const headerLimit = 256 << 10

// readSize is the size of the read buffer of a connection.
const readSize = 8 << 10

// bufferSize is the size of the buffers of uploads and tunnels.
const bufferSize = 64 << 10

// buffers has the buffers of uploads and tunnels.
var buffers = sync.Pool{New: func() any { return new([bufferSize]byte) }}

var errHeaderLimit = errors.New("the response header is too large")

// conn is a connection to a server. One request at a time uses it. The goroutine of the request reads from the connection. The same
// goroutine writes to it, unless the request has an upload, whose goroutine then writes. Other goroutines may access only conn.use.
type conn struct {
	net.Conn
	pool *Pool
	raw  syscall.RawConn // nil if the connection is not a socket
	r    *bufio.Reader
	w    *bufio.Writer

	budget    int64     // bytes that may still be read until headerLimit is reached
	received  bool      // a byte of the response was received
	reused    bool      // the connection was used by an earlier request
	idleSince time.Time // when the connection last became idle

	kept     *[]byte // the bytes that Read has returned since the call of keepHeader; nil while no header is being read
	doubtful bool    // the server may send more bytes after what seems to be the end of the response
	client   Client  // receive flushes this client before it waits for the server; nil while a header is being read
	reading  reading
	response Response

	use use
}

func newConn(c net.Conn, p *Pool) *conn {
	n := &conn{Conn: c, pool: p}
	if s, ok := c.(syscall.Conn); ok {
		n.raw, _ = s.SyscallConn()
	}
	n.r = bufio.NewReaderSize(n, readSize)
	n.w = bufio.NewWriterSize(c, 4<<10)
	return n
}

// Read implements io.Reader for conn.r. It enforces headerLimit.
func (c *conn) Read(p []byte) (int, error) {
	if c.budget <= 0 {
		return 0, errHeaderLimit
	}
	if int64(len(p)) > c.budget {
		p = p[:c.budget]
	}
	n, err := c.receive(p)
	if c.kept != nil {
		*c.kept = append(*c.kept, p[:n]...)
	}
	c.budget -= int64(n)
	c.received = c.received || n > 0
	return n, err
}

// flushClient calls Client.Flush and marks its error as the client's fault.
func (c *conn) flushClient() error {
	if err := c.client.Flush(); err != nil {
		return clientError{err}
	}
	return nil
}

// flushAndRead flushes the client before every read. It is for connections that cannot report whether a read would wait.
func (c *conn) flushAndRead(p []byte) (int, error) {
	if err := c.flushClient(); err != nil {
		return 0, err
	}
	return c.Conn.Read(p)
}

// clean reports whether the read buffer is empty and the write buffer could be flushed.
func (c *conn) clean() bool { return c.r.Buffered() == 0 && c.w.Flush() == nil }
