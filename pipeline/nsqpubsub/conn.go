package nsqpubsub

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/nsqio/go-nsq"
)

const (
	readBuffer = 64 << 10 // nsqd writes at most this much at once, by default 16 KiB
	maxFrame   = 64 << 20 // a message can be as large as --max-msg-size of nsqd, which nsqd does not tell; its default is 1 MiB
)

// conn is a connection to one nsqd. It is made of go-nsq's protocol primitives and not of go-nsq's Conn, which writes each FIN with a system
// call of its own. One goroutine may read while another goroutine writes.
type conn struct {
	socket *timedConn // the TCP connection
	r      *bufio.Reader
	buffer *bufio.Writer
	w      interface { // buffer, or a compressor that writes to buffer
		io.Writer
		Flush() error
	}
	maxRDY int64 // the largest RDY that nsqd accepts
}

func newConn(socket net.Conn, conf *nsq.Config) *conn {
	limited := &timedConn{Conn: socket, read: conf.ReadTimeout, write: conf.WriteTimeout}
	c := &conn{socket: limited, maxRDY: defaultMaxRDY}
	c.use(limited)
	return c
}

// use makes the connection read from rw and write to rw.
func (c *conn) use(rw io.ReadWriter) {
	c.r, c.buffer = bufio.NewReader(rw), bufio.NewWriter(rw)
	c.w = c.buffer
}

// close closes the TCP connection, which ends reads and writes in other goroutines.
func (c *conn) close() { _ = c.socket.Close() }

// closeWrite tells nsqd that nothing more is sent. If nsqd sent data to a connection that is closed altogether, it could be reset before
// nsqd has read everything.
func (c *conn) closeWrite() {
	if tcp, ok := c.socket.Conn.(*net.TCPConn); ok {
		_ = tcp.CloseWrite()
	}
}

// write sends p at once.
func (c *conn) write(p []byte) error {
	if _, err := c.w.Write(p); err != nil {
		return err
	}
	return c.flush()
}

// add adds the command to what the next flush sends.
func (c *conn) add(cmd *nsq.Command) error {
	_, err := cmd.WriteTo(c.w)
	return err
}

func (c *conn) flush() error {
	if err := c.w.Flush(); err != nil {
		return err
	}
	return c.buffer.Flush()
}

// send sends the command at once.
func (c *conn) send(cmd *nsq.Command) error {
	if err := c.add(cmd); err != nil {
		return err
	}
	return c.flush()
}

// ask sends the command and returns nsqd's response. An error response is returned as an error. No other goroutine may read or write.
func (c *conn) ask(cmd *nsq.Command) ([]byte, error) {
	if err := c.send(cmd); err != nil {
		return nil, err
	}
	return c.response()
}

// response returns the next response that is not a heartbeat.
func (c *conn) response() ([]byte, error) {
	for {
		kind, data, err := c.readFrame()
		switch {
		case err != nil:
			return nil, err
		case isHeartbeat(kind, data):
			if err := c.send(nsq.Nop()); err != nil {
				return nil, err
			}
		case kind == nsq.FrameTypeResponse:
			return data, nil
		case kind == nsq.FrameTypeError:
			return nil, responseError(string(data))
		default:
			return nil, unexpected(kind, data)
		}
	}
}

// expectOK returns an error unless nsqd's next response is OK.
func (c *conn) expectOK() error {
	data, err := c.response()
	if err == nil && string(data) != "OK" {
		err = unexpected(nsq.FrameTypeResponse, data)
	}
	return err
}

var errProtocol = errors.New("nsqpubsub: nsqd violates the protocol")

func unexpected(kind int32, data []byte) error {
	return fmt.Errorf("%w: unexpected frame of type %d: %.40q", errProtocol, kind, data)
}

func isHeartbeat(kind int32, data []byte) bool {
	return kind == nsq.FrameTypeResponse && string(data) == "_heartbeat_"
}

// readFrame returns the type and the data of the next frame. The data is valid until the next call.
func (c *conn) readFrame() (kind int32, data []byte, err error) { return readFrame(c.r) }

// readFrame reads a frame: four bytes that contain the size of the rest, four bytes that contain the type, and the data. A frame that is
// larger than the buffer of r takes memory only as its bytes arrive, whatever its size says.
func readFrame(r *bufio.Reader) (kind int32, data []byte, err error) {
	header, err := r.Peek(4)
	if err != nil {
		if len(header) > 0 {
			err = unexpectedEOF(err)
		}
		return 0, nil, err
	}
	size := binary.BigEndian.Uint32(header)
	if size < 4 || size > maxFrame {
		return 0, nil, fmt.Errorf("%w: frame of %d bytes", errProtocol, size)
	}
	if 4+int(size) <= r.Size() {
		frame, err := r.Peek(4 + int(size))
		if err != nil {
			return 0, nil, unexpectedEOF(err)
		}
		_, _ = r.Discard(len(frame)) // frame stays valid until r reads again
		return nsq.UnpackResponse(frame[4:])
	}
	_, _ = r.Discard(4)
	frame, err := io.ReadAll(io.LimitReader(r, int64(size)))
	if err == nil && len(frame) < int(size) {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return 0, nil, err
	}
	return nsq.UnpackResponse(frame)
}

func unexpectedEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// hasFrame reports whether the whole next frame has arrived, so that readFrame does not block.
func (c *conn) hasFrame() bool {
	if c.r.Buffered() < 4 {
		return false
	}
	header, _ := c.r.Peek(4)
	return int64(c.r.Buffered()-4) >= int64(binary.BigEndian.Uint32(header))
}

// timedConn limits the time of each read and of each write.
type timedConn struct {
	net.Conn
	read, write time.Duration
}

func (c *timedConn) Read(p []byte) (int, error) {
	if err := c.SetReadDeadline(time.Now().Add(c.read)); err != nil {
		return 0, err
	}
	return c.Conn.Read(p)
}

func (c *timedConn) Write(p []byte) (int, error) {
	if err := c.SetWriteDeadline(time.Now().Add(c.write)); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}
