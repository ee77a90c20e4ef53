package clientconn

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"
)

// FuzzConn reads requests as net/http does, from a connection that receives them in pieces. beginBody must return at least the fields of
// the request's header, and at most the fields that Read returned after the previous header.
func FuzzConn(f *testing.F) {
	for _, seed := range []string{
		"POST / HTTP/1.1\nContent-Length: 4\n\nbodyPOST / HTTP/1.1\nTransfer-Encoding: chunked\n\n0\n\nGET / HTTP/1.1\n\n",
		"POST / HTTP/1.1\ncontent-length: 4\nTransfer-Encoding: chunked\n\n4\nbody\n0\n\nPOST / HTTP/1.1\nTRANSFER-ENCODING: chunked\n\n0\n\n",
		"POST / HTTP/1.0\nTransfer-Encoding: chunked\nContent-Length: 18\n\nContent-Length: 4\nPOST / HTTP/1.0\nContent-Length: 1\n\na",
		"POST / HTTP/1.1\nX-A: a\n \nTransfer-Encoding: chunked\nContent-Length:\n 4\n\n0\nContent-Length: 9\n\n\n\nPOST / HTTP/1.1\nContent-Length: 0\n\n",
	} {
		for _, size := range []uint8{0, 1, 7} {
			f.Add([]byte(seed), size)
			f.Add([]byte(strings.ReplaceAll(seed, "\n", "\r\n")), size)
		}
	}
	f.Fuzz(func(t *testing.T, input []byte, size uint8) {
		w := &conn{Conn: &received{input: bytes.NewReader(input), size: int(size)}}
		passed := &countingReader{r: w}
		r := bufio.NewReaderSize(passed, 4<<10)
		last := ""
		for before := 0; ; {
			if last == http.MethodPost {
				peek, _ := r.Peek(4)
				_, _ = r.Discard(len(peek) - len(bytes.TrimLeft(peek, "\r\n")))
			}
			start := passed.n - r.Buffered()
			req, err := http.ReadRequest(r)
			if err != nil {
				return
			}
			last = req.Method
			end := passed.n - r.Buffered()
			if req.ContentLength == 0 {
				before = end
				continue
			}
			found, must, may := w.beginBody(), namesIn(input[start:end]), namesIn(input[before:passed.n])
			if found&must != must {
				t.Fatalf("found %b, want %b, of %q", found, must, input[start:end])
			}
			if found&^may != 0 {
				t.Fatalf("found %b, but Read returned at most %b: %q", found, may, input[before:passed.n])
			}
			before = end
			body, err := io.ReadAll(req.Body)
			if err != nil {
				return
			}
			if req.ContentLength > 0 && !bytes.Equal(body, input[end:end+len(body)]) {
				t.Fatalf("the body is %q, want %q", body, input[end:end+len(body)])
			}
			w.endRequest()
		}
	})
}

// namesIn returns those of the fields Content-Length and Transfer-Encoding whose name is at the beginning of a line.
func namesIn(lines []byte) (all fields) {
	for line := range bytes.SplitSeq(bytes.ToLower(lines), []byte("\n")) {
		line = bytes.TrimLeft(line, " \t\r")
		if bytes.HasPrefix(line, []byte("content-length")) {
			all |= hasLength
		}
		if bytes.HasPrefix(line, []byte("transfer-encoding")) {
			all |= hasCoding
		}
	}
	return all
}

// received is a connection whose Read returns the bytes of received.input, at most received.size bytes per call. If the size is 0, there is
// no limit per call.
type received struct {
	net.Conn
	input *bytes.Reader
	size  int
}

func (c *received) Read(p []byte) (int, error) {
	if c.size > 0 && len(p) > c.size {
		p = p[:c.size]
	}
	return c.input.Read(p)
}

type countingReader struct {
	r io.Reader
	n int
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += n
	return n, err
}

func TestConnReturnsAllBytes(t *testing.T) {
	t.Parallel()
	input := strings.Repeat("GET / HTTP/1.1\r\nHost: h\r\n\r\n\n\r\n\r\r\n \r\nbody\n", 500)
	from := func() *received { return &received{input: bytes.NewReader([]byte(input))} }
	for name, read := range map[string]func(w *conn) ([]byte, error){
		"all at once":  func(w *conn) ([]byte, error) { return io.ReadAll(w) },
		"byte by byte": func(w *conn) ([]byte, error) { return io.ReadAll(iotest.OneByteReader(w)) },
		"error with the last bytes": func(w *conn) ([]byte, error) {
			w.Conn = eager{from()}
			return io.ReadAll(w)
		},
		"after a hijack": func(w *conn) ([]byte, error) {
			head := make([]byte, 100)
			n, err := w.Read(head)
			if err != nil {
				return nil, err
			}
			all := bytes.NewBuffer(head[:n])
			_, err = io.Copy(all, w)
			return all.Bytes(), err
		},
	} {
		if got, err := read(&conn{Conn: from()}); err != nil || string(got) != input {
			t.Errorf("%s: got %d bytes of %d, %v", name, len(got), len(input), err)
		}
	}
}

// eager returns io.EOF together with the last bytes.
type eager struct{ *received }

func (c eager) Read(p []byte) (int, error) {
	n, err := c.received.Read(p)
	if err == nil && c.input.Len() == 0 {
		err = io.EOF
	}
	return n, err
}

// If a body arrives together with its header, conn receives both with one system call. conn allocates nothing for a request.
func TestConnReadsOnceWithoutAllocation(t *testing.T) {
	request := []byte("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n")
	end := bytes.Index(request, []byte("\r\n\r\n")) + 4
	input := bytes.NewReader(request)
	w := &conn{Conn: &received{input: input}}
	p := make([]byte, 4<<10)
	allocs := testing.AllocsPerRun(100, func() {
		input.Reset(request)
		n, err := w.Read(p)
		if err != nil || n != end || input.Len() != 0 {
			t.Fatalf("got %d bytes, %v, want %d", n, err, end)
		}
		if w.beginBody() != hasCoding {
			t.Fatal("want Transfer-Encoding only")
		}
		if n, err = w.Read(p); err != nil || string(p[:n]) != string(request[end:]) {
			t.Fatalf("second Read: got %q, %v", p[:n], err)
		}
		w.endRequest()
	})
	if allocs != 0 {
		t.Errorf("%v allocations", allocs)
	}
}
