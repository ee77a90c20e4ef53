package proxy

import (
	"io"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"golang.org/x/net/http/httpguts"
)

// lingering is how long a client may go on sending a body that nobody wants after it has its answer, where the connection does not
// read on itself, or the proxy stops.
const lingering = 500 * time.Millisecond

// upload is a body on its way to a server, in a goroutine of its own, because the server may answer before it has all of it.
type upload struct {
	x       *exchange
	c       *conn
	control *http.ResponseController
	done    chan struct{} // nil: it was not started
	read    atomic.Bool   // the client has sent all of it
	heard   atomic.Bool   // the header of the answer has come, or none will: nobody waits for it
	stopAt  atomic.Int64  // when reading ends whatever comes, Unix nanoseconds; 0: not so

	// Once done is closed:
	err  error // the client's fault
	full bool  // the server was sent all of it
}

func (u *upload) start() {
	u.done = make(chan struct{})
	u.control = http.NewResponseController(u.x.w)
	if u.x.r.ProtoMajor == 1 {
		_ = u.control.EnableFullDuplex()
	}
	go u.run()
}

func (u *upload) run() {
	defer close(u.done)
	buffer := buffers.Get().(*[wholeLimit]byte)
	defer buffers.Put(buffer)
	x, refused := u.x, false
	for {
		x.movedAt.Store(0) // it is the client who is waited for
		_ = u.control.SetReadDeadline(time.Now().Add(x.p.cfg.StallTimeout))
		if at := u.stopAt.Load(); at != 0 {
			_ = u.control.SetReadDeadline(time.Unix(0, at))
		}
		n, err := x.r.Body.Read(buffer[:])
		if n > 0 && !refused {
			x.movedAt.Store(x.p.clock.Load())
			refused = u.send(buffer[:n]) != nil // what follows goes nowhere: the server's answer, or its absence, tells
		}
		if err == io.EOF {
			u.read.Store(true)
			_ = u.control.SetReadDeadline(time.Time{})
			u.full = !refused && u.finish() == nil
			x.movedAt.Store(0)
			x.sentAt.Store(x.p.clock.Load())
			if u.heard.Load() {
				x.sentAt.Store(0)
			}
			return
		}
		if err != nil {
			if u.stopAt.Load() == 0 { // else it is stop's doing
				u.err = x.clientError(err)
				u.c.abort(x, u.err)
			}
			return
		}
	}
}

func (u *upload) send(b []byte) error {
	chunked := u.x.r.ContentLength < 0
	if chunked {
		_, _ = u.c.w.WriteString(strconv.FormatInt(int64(len(b)), 16) + "\r\n")
	}
	_, _ = u.c.w.Write(b)
	if chunked {
		_, _ = u.c.w.WriteString("\r\n")
	}
	return u.c.w.Flush()
}

func (u *upload) finish() error {
	if u.x.r.ContentLength >= 0 {
		return nil
	}
	_, _ = u.c.w.WriteString("0\r\n")
	for name, values := range u.x.r.Trailer {
		if !passed(name, nil) || !validToken(name) {
			continue
		}
		for _, v := range values {
			if httpguts.ValidHeaderFieldValue(v) {
				_, _ = u.c.w.WriteString(name + ": " + v + "\r\n")
			}
		}
	}
	_, _ = u.c.w.WriteString("\r\n")
	return u.c.w.Flush()
}

// stop ends an upload that nobody waits for any more, and returns when its goroutine has ended, with the error of the client if
// that was what ended it. answered tells that the client has its answer.
func (u *upload) stop(answered bool) error {
	if u.done == nil {
		return nil
	}
	select {
	case <-u.done:
		return u.err
	default:
	}
	end := time.Unix(1, 0)
	_ = u.c.SetWriteDeadline(end) // before the client has its answer: what it sends then is not passed on
	readsOn := answered && !u.read.Load() && u.x.p.readOnAfter(u.x.w, u.x.r)
	if answered && !readsOn {
		_ = u.control.Flush()
		end = time.Now().Add(lingering)
	}
	u.stopAt.Store(end.UnixNano())
	if !u.read.Load() {
		_ = u.control.SetReadDeadline(end)
	}
	<-u.done
	_ = u.c.SetWriteDeadline(time.Time{})
	if u.read.Load() {
		_ = u.control.SetReadDeadline(time.Time{}) // it may have come to its end just before the deadline was set
	} else if !readsOn {
		_ = u.control.SetReadDeadline(time.Now().Add(lingering)) // for net/http, which reads on before it closes
	}
	return u.err
}

// unread reports whether a part of the request's body may lie on the client's connection still, where net/http, as it is told to
// let both sides talk at once, would take it for the next request.
func (u *upload) unread() bool { return u.done != nil && !u.read.Load() && mayLeaveBody(u.x.r) }
