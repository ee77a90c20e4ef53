package proxy

import (
	"io"
	"net/http"
	"time"

	"golang.org/x/net/http/httpguts"

	"rollcall/services/proxy/clientconn"
	"rollcall/services/proxy/upstream"
)

// Start is that of a Stream. Both sides may send at once from now on.
func (b *body) Start() {
	b.started = true
	if b.r.ProtoMajor == 1 {
		_ = http.NewResponseController(b.w).EnableFullDuplex()
	}
}

// Read is that of a Stream. The client has the stall timeout for each.
func (b *body) Read(p []byte) (int, error) {
	b.setDeadline()
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

func (b *body) setDeadline() {
	b.mu.Lock()
	defer b.mu.Unlock()
	end := b.end
	if end.IsZero() {
		end = time.Now().Add(b.p.cfg.StallTimeout)
	}
	_ = http.NewResponseController(b.w).SetReadDeadline(end)
}

// Trailer is that of a Stream.
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

// Stop is that of a Stream. A client that has its response may go on sending for a while.
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

// uploading reports whether a stream was started and the client has not sent all of it.
func (b *body) uploading() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.started && !b.read
}

// settle prepares the client's connection for what follows the last Read of a stream.
func (b *body) settle() {
	if !b.started {
		return
	}
	uploading := b.uploading()
	b.unread = uploading && mayLeaveBody(b.r)
	if uploading && !b.end.IsZero() && !b.lingers {
		_ = http.NewResponseController(b.w).SetReadDeadline(time.Now().Add(clientconn.BriefLinger)) // for net/http, which reads on before it closes
	}
}
