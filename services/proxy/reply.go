package proxy

import (
	"bytes"
	"errors"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"

	"rollcall/services/proxy/clientconn"
	"rollcall/services/proxy/upstream"
)

// reply writes a response to the client. It implements upstream.Client.
type reply struct {
	w       http.ResponseWriter
	r       *http.Request
	stall   time.Duration // stall timeout
	begun   time.Time     // start of the request
	interim bool          // interim responses may be sent
	status  int           // status of the response whose header was sent; 0: no header was sent yet
	taken   int64         // bytes of a streamed body that were written to the client, at most maxTaken
	waited  time.Duration // total time of writing a streamed body to the client
	pieces  []byte        // part of a streamed body that was received but not written to the client
}

// largeWrite is the size in bytes of a part of a body from which reply.write sends it at once. Smaller parts fit into net/http's buffer.
const largeWrite = 2 << 10

// takesInterim reports whether interim responses may be sent to the client. In HTTP/2, if the client resets the stream, WriteHeader may
// return while net/http still reads the header map; a change of the map would then crash the process. If a request has Expect, its upload
// may make net/http send 100 Continue at any moment, and net/http does not lock 100 Continue against other interim responses.
func takesInterim(r *http.Request, upload bool) bool {
	return r.ProtoMajor == 1 && r.ProtoMinor > 0 && !(upload && len(r.Header["Expect"]) > 0)
}

// Interim implements upstream.Client.
func (y *reply) Interim(status int, header http.Header) {
	if !y.interim {
		return
	}
	h := y.w.Header()
	final := maps.Clone(h) // fields of the final response, such as Connection: close
	clear(h)
	for name, values := range header {
		if returned(name, header["Connection"]) {
			h[name] = values
		}
	}
	y.renewWrite()
	y.w.WriteHeader(status)
	clear(h)
	maps.Copy(h, final)
}

// send writes the response, whose header fields are already set in reply.w. The error is an error of resp.Read or upstream.ErrClientGone.
func (y *reply) send(resp *upstream.Response) error {
	var announced []string
	if len(resp.Trailer()) > 0 {
		for name := range resp.Trailer() {
			if mayTrail(name) {
				announced = append(announced, name)
			}
		}
		y.w.Header()["Trailer"] = []string{strings.Join(announced, ", ")}
	}
	y.status = resp.StatusCode
	y.renewWrite()
	y.w.WriteHeader(resp.StatusCode)
	if resp.Done() {
		return nil
	}
	if whole := resp.Buffered(); whole != nil {
		if y.r.ProtoMajor > 1 {
			y.limitWrite()
		}
		return y.write(whole)
	}
	if err := y.stream(resp); err != nil {
		return err
	}
	for name, values := range resp.Trailer() {
		if !mayTrail(name) {
			continue
		}
		if !slices.Contains(announced, name) {
			if err := y.Flush(); err != nil { // without Flush, net/http may send a short body with Content-Length, which excludes a trailer
				return err
			}
			name = http.TrailerPrefix + name
		}
		y.w.Header()[name] = values
	}
	return nil
}

// mayTrail reports whether a field may follow the body of a response.
func mayTrail(name string) bool { return httpguts.ValidTrailerHeader(name) && returned(name, nil) }

// stream copies the body to the client as it is received. The server may pause for any time, but each write to the client has a deadline
// (see patience). resp.Read calls Flush before it waits for the server, so the pieces of a body that were received together are sent
// together.
func (y *reply) stream(resp *upstream.Response) error {
	buffer := buffers.Get().(*[wholeLimit]byte)
	defer buffers.Put(buffer)
	for {
		if len(y.pieces) == 0 {
			y.pieces = buffer[:0]
		}
		y.unlimitWrite()
		n, err := resp.Read(y.pieces[len(y.pieces):cap(y.pieces)])
		y.pieces = y.pieces[:len(y.pieces)+n]
		if err == nil && len(y.pieces) < cap(y.pieces) {
			continue
		}
		if sent := y.sendPieces(); sent != nil {
			return sent
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// sendPieces writes reply.pieces to the client. Even if there are none, it sets the deadline, which net/http needs to write the end of the
// body. It leaves an empty slice in front of the space into which stream reads, because stream may be in resp.Read, which calls Flush.
func (y *reply) sendPieces() error {
	n, begun := len(y.pieces), y.limitWrite()
	if n == 0 {
		return nil
	}
	err := y.write(y.pieces)
	y.pieces = y.pieces[n:]
	y.taken += min(int64(n), maxTaken-y.taken)
	y.waited += time.Since(begun)
	return err
}

// write writes a part of the body to the client. A large part is sent by one system call with what net/http has buffered, such as the
// header. The error is upstream.ErrClientGone.
func (y *reply) write(p []byte) error {
	corked := len(p) >= largeWrite && clientconn.Cork(y.r)
	_, err := y.w.Write(p)
	if corked {
		err = errors.Join(err, http.NewResponseController(y.w).Flush(), clientconn.Uncork(y.r))
	}
	if err != nil {
		return upstream.ErrClientGone
	}
	return nil
}

// Flush implements upstream.Client. The error is upstream.ErrClientGone.
func (y *reply) Flush() error {
	if err := y.sendPieces(); err != nil {
		return err
	}
	begun := y.limitWrite()
	defer y.unlimitWrite()
	if http.NewResponseController(y.w).Flush() != nil {
		return upstream.ErrClientGone
	}
	y.waited += time.Since(begun)
	return nil
}

// Gone implements upstream.Client.
func (y *reply) Gone() bool { return clientconn.Gone(y.r) }

// switchProtocols writes a response of 101 to a hijacked connection, with the header fields that are set in reply.w.
func (y *reply) switchProtocols(client net.Conn) error {
	h := y.w.Header()
	delete(h, "Content-Type")
	h["Connection"], h["Upgrade"] = []string{"Upgrade"}, []string{"websocket"}
	var out bytes.Buffer
	out.WriteString("HTTP/1.1 101 Switching Protocols\r\n")
	_ = h.Write(&out) // a write to a buffer does not fail
	out.WriteString("\r\n")
	_, err := out.WriteTo(client)
	return err
}
