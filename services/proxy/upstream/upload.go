package upstream

import (
	"errors"
	"io"
	"strconv"
	"time"
)

// upload sends a Request.Stream in a goroutine of its own, because the server may respond before it has all of the body.
type upload struct {
	c      *conn
	body   Stream
	length int64
	done   chan struct{}

	// Once done is closed:
	err  error // the client's fault
	full bool  // all of the body was sent
}

func startUpload(c *conn, req *Request) *upload {
	u := &upload{c: c, body: req.Stream, length: req.Length, done: make(chan struct{})}
	u.body.Start()
	go u.run()
	return u
}

func (u *upload) run() {
	defer close(u.done)
	buffer := buffers.Get().(*[bufferSize]byte)
	defer buffers.Put(buffer)
	t, refused := u.c.pool.t, false
	for {
		n, err := u.body.Read(buffer[:])
		if n > 0 && !refused {
			u.c.use.take(t.Now())
			refused = u.send(buffer[:n]) != nil // the rest is discarded: the response, or its absence, tells why
			u.c.use.take(0)
		}
		switch {
		case err == io.EOF:
			u.c.use.take(t.Now())
			u.full = !refused && u.finish() == nil
			u.c.use.await(t.Now())
			return
		case errors.Is(err, ErrStopped):
			return
		case err != nil:
			u.err = err
			u.c.abort(err)
			return
		}
	}
}

func (u *upload) send(b []byte) error {
	if u.length < 0 {
		u.c.put(strconv.FormatInt(int64(len(b)), 16), "\r\n")
	}
	_, _ = u.c.w.Write(b)
	if u.length < 0 {
		u.c.put("\r\n")
	}
	return u.c.w.Flush()
}

func (u *upload) finish() error {
	if u.length >= 0 {
		return nil
	}
	u.c.put("0\r\n")
	for name, values := range u.body.Trailer() {
		for _, v := range values {
			u.c.put(name, ": ", v, "\r\n")
		}
	}
	u.c.put("\r\n")
	return u.c.w.Flush()
}

// stop ends an upload that is not needed any more, and returns when its goroutine has ended, with u.err. responded tells that the client has
// a whole response.
func (u *upload) stop(responded bool) error {
	select {
	case <-u.done:
		return u.err
	default:
	}
	_ = u.c.SetWriteDeadline(time.Unix(1, 0)) // before the client has its response: what it sends then is not passed on
	u.body.Stop(responded)
	<-u.done
	_ = u.c.SetWriteDeadline(time.Time{})
	return u.err
}
