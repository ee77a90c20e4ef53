package figures

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"sync"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"rollcall/integration/fixture"
)

// etcdTTL is the TTL of a lease in seconds, as that of a server.
const etcdTTL = 10

// etcdConn is a connection of an etcd client that has some leases: HTTP/2 with one stream of LeaseKeepAlive for all of them, as etcd's own
// client has. etcd's client needs more CPU time than the benchmark has left, so etcdConn writes and reads the few frames itself.
type etcdConn struct {
	net.Conn
	framer *http2.Framer
	alive  [][]byte // for each lease, the frame of a LeaseKeepAliveRequest
	next   int
	buf    []byte

	mu sync.Mutex // held for writes
}

const keepAliveStream = 1 // the streams after it grant leases

// dialEtcd connects, and grants the leases of some servers.
func dialEtcd(b *testing.B, addr string, first, servers int) keepAliveConn {
	b.Helper()
	conn, err := net.Dial("tcp", addr)
	fixture.Must(b, err)
	_, err = conn.Write([]byte(http2.ClientPreface))
	fixture.Must(b, err)
	c := &etcdConn{Conn: conn, framer: http2.NewFramer(conn, bufio.NewReaderSize(conn, 256))}
	const window = 1 << 30 // so large that no further window update is needed
	fixture.Must(b, errors.Join(
		c.framer.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: window}),
		c.framer.WriteWindowUpdate(0, window),
		c.call(keepAliveStream, addr, "/etcdserverpb.Lease/LeaseKeepAlive"),
	))
	for i := range servers {
		// A LeaseGrantRequest has the TTL in field 1 and the id in field 2. If an earlier round has granted the lease, etcd responds with
		// an error, and the lease is kept alive all the same. A LeaseKeepAliveRequest has the id in field 1.
		id := binary.AppendUvarint(nil, uint64(1+first+i))
		stream := uint32(keepAliveStream + 2*(1+i))
		fixture.Must(b, errors.Join(
			c.call(stream, addr, "/etcdserverpb.Lease/LeaseGrant"),
			c.framer.WriteData(stream, true, grpcMessage(append([]byte{1 << 3, etcdTTL, 2 << 3}, id...))),
			c.awaitEnd(stream),
		))
		var frame bytes.Buffer
		fixture.Must(b, http2.NewFramer(&frame, nil).WriteData(keepAliveStream, false, grpcMessage(append([]byte{1 << 3}, id...))))
		c.alive = append(c.alive, frame.Bytes())
	}
	return c
}

// grpcMessage returns a message as gRPC sends it: not compressed, and after its length.
func grpcMessage(message []byte) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(message))), message...)
}

// call sends the header of a gRPC call.
func (c *etcdConn) call(stream uint32, addr, method string) error {
	var block bytes.Buffer
	fields := hpack.NewEncoder(&block)
	for _, f := range [][2]string{{":method", "POST"}, {":scheme", "http"}, {":path", method}, {":authority", addr}, {"content-type", "application/grpc"}, {"te", "trailers"}} {
		if err := fields.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]}); err != nil {
			return err
		}
	}
	return c.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: block.Bytes(), EndHeaders: true})
}

func (c *etcdConn) awaitEnd(stream uint32) error {
	for {
		f, err := c.read()
		if err != nil {
			return err
		}
		if h := f.Header(); h.StreamID == stream && h.Flags.Has(http2.FlagHeadersEndStream) {
			return nil
		}
	}
}

func (c *etcdConn) send(beats int) error {
	c.buf = c.buf[:0]
	for range beats {
		c.buf = append(c.buf, c.alive[c.next%len(c.alive)]...)
		c.next++
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	_, err := c.Write(c.buf)
	return err
}

func (c *etcdConn) receive() (int, error) {
	for {
		f, err := c.read()
		if err != nil {
			return 0, err
		}
		if f.Header().StreamID != keepAliveStream {
			continue
		}
		switch f := f.(type) {
		case *http2.DataFrame:
			// A LeaseKeepAliveResponse ends with the TTL in field 3, which a lease that has ended lacks.
			if !bytes.HasSuffix(f.Data(), []byte{3 << 3, etcdTTL}) {
				return 0, fmt.Errorf("etcd did not keep the lease alive: %x", f.Data())
			}
			return 1, nil
		case *http2.HeadersFrame:
			if f.StreamEnded() {
				return 0, errors.New("etcd ended the stream")
			}
		}
	}
}

// read reads a frame, and responds to it if it is of the connection itself.
func (c *etcdConn) read() (http2.Frame, error) {
	f, err := c.framer.ReadFrame()
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch f := f.(type) {
	case *http2.SettingsFrame:
		if !f.IsAck() {
			err = c.framer.WriteSettingsAck()
		}
	case *http2.PingFrame:
		if !f.IsAck() {
			err = c.framer.WritePing(true, f.Data)
		}
	case *http2.GoAwayFrame:
		err = fmt.Errorf("etcd closes the connection: %v %q", f.ErrCode, f.DebugData())
	}
	return f, err
}
