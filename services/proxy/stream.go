package proxy

import (
	"io"
	"net/http"
	"time"

	"golang.org/x/net/http/httpguts"

	"rollcall/services/proxy/clientconn"
	"rollcall/services/proxy/upstream"
)

// Start implements upstream.Stream. It makes net/http allow a response before the body is read.
func (b *body) Start() {
	b.started = true
	if b.r.ProtoMajor == 1 {
		_ = http.NewResponseController(b.w).EnableFullDuplex()
	}
}

// Read implements upstream.Stream. The deadline of each call is the stall timeout. After Stop, it is the deadline that Stop has set.
func (b *body) Read(p []byte) (int, error) {
	b.mu.Lock()
	end := b.end
	if end.IsZero() {
		end = time.Now().Add(b.p.cfg.StallTimeout)
	}
	_ = http.NewResponseController(b.w).SetReadDeadline(end)
	b.mu.Unlock()
	n, err := b.r.Body.Read(p)
	if err == nil {
		return n, nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case err == io.EOF:
		b.read = true
		_ = http.NewResponseController(b.w).SetReadDeadline(time.Time{})
	case !b.end.IsZero():
		err = upstream.ErrStopped
	default:
		err = b.clientError(err)
	}
	return n, err
}

// Trailer implements upstream.Stream. It leaves out fields that the proxy must not send to a server.
func (b *body) Trailer() http.Header {
	if len(b.r.Trailer) == 0 {
		return nil
	}
	trailer := make(http.Header, len(b.r.Trailer))
	for name, values := range b.r.Trailer {
		if !passed(name, nil) || !validToken(name) {
			continue
		}
		trailer[name] = nil
		for _, v := range values {
			if httpguts.ValidHeaderFieldValue(v) {
				trailer[name] = append(trailer[name], v)
			}
		}
	}
	return trailer
}

// Stop implements upstream.Stream. If the client has the whole response, the client may go on sending its body for a while: if the
// connection were closed at once, the client's kernel might discard the response.
func (b *body) Stop(responded bool) {
	end := time.Unix(1, 0)
	if responded && b.uploading() {
		if b.lingers = clientconn.LingerAfter(b.w, b.r, &b.p.closing); !b.lingers {
			_ = http.NewResponseController(b.w).Flush()
			end = time.Now().Add(clientconn.BriefLinger)
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.end = end
	if !b.read {
		_ = http.NewResponseController(b.w).SetReadDeadline(end)
	}
}

// uploading reports whether a stream was started but not read to its end.
func (b *body) uploading() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.started && !b.read
}

// settle must be called after the last Read of a stream. It sets body.unread. If the body was not read to its end, it also sets the read
// deadline for net/http, which reads the rest of the body before it closes the connection.
func (b *body) settle() {
	if !b.started {
		return
	}
	uploading := b.uploading()
	b.unread = uploading && mayLeaveBody(b.r)
	if uploading && !b.end.IsZero() && !b.lingers {
		_ = http.NewResponseController(b.w).SetReadDeadline(time.Now().Add(clientconn.BriefLinger))
	}
}
