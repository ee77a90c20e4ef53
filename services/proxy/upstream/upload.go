package upstream

import (
	"errors"
	"io"
	"strconv"
	"time"
)

// upload sends a Request.Stream in a goroutine of its own, because the server may respond before it has received the whole body.
type upload struct {
	c      *conn
	body   Stream
	length int64
	done   chan struct{}

	// Valid once the channel done is closed:
	err  error // error of Stream.Read; nil if the error is io.EOF or ErrStopped
	full bool  // the whole body was sent
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
			u.c.use.write(t.Now())
			refused = u.send(buffer[:n]) != nil // after an error of send, the rest of the body is discarded; the response may show why the server refused the body
			u.c.use.write(0)
		}
		switch {
		case err == io.EOF:
			u.c.use.write(t.Now())
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

// stop ends the upload, waits for its goroutine, and returns u.err. responded is true if the client has the whole response.
func (u *upload) stop(responded bool) error {
	select {
	case <-u.done:
		return u.err
	default:
	}
	_ = u.c.SetWriteDeadline(time.Unix(1, 0)) // before Stop, so that the server does not get what the client sends after the response
	u.body.Stop(responded)
	<-u.done
	_ = u.c.SetWriteDeadline(time.Time{})
	return u.err
}
