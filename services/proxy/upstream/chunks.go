package upstream

import (
	"bufio"
	"bytes"
	"errors"
	"io"
)

// chunks reads a chunked response body. Read returns a part of a chunk as soon as that part is received, while net/http waits for the end
// of the chunk. chunks itself does not read the last chunk and the trailer: chunks.last, which is the body of the http.Response, reads
// them.
type chunks struct {
	r    *bufio.Reader
	last io.Reader

	left   uint64 // unread bytes of the current chunk
	within bool   // the CRLF after the current chunk is unread
	excess int    // bytes of overhead beyond chunkOverhead and byteOverhead; at most maxExcess
}

// Limits of the overhead, which is every byte of a chunked body that is not data. net/http has the same limits.
const (
	maxChunkLine  = 4095     // bytes of the line with the size of a chunk, without its CRLF
	chunkOverhead = 16       // bytes of overhead allowed for each chunk
	byteOverhead  = 2        // bytes of overhead allowed for each byte of data
	maxExcess     = 16 << 10 // additional bytes of overhead allowed for the whole body
)

var errChunks = errors.New("malformed chunk in the response")

func (k *chunks) Read(p []byte) (int, error) {
	if k.left == 0 {
		last, err := k.next()
		if err != nil {
			return 0, unexpected(err)
		}
		if last {
			return k.end(p)
		}
	}
	if uint64(len(p)) > k.left {
		p = p[:k.left]
	}
	n, err := k.r.Read(p)
	k.left -= uint64(n)
	return n, unexpected(err)
}

// next reads the end of the current chunk and the size of the chunk after it. If that chunk is the last chunk of the body, next returns
// true and leaves the chunk unread.
func (k *chunks) next() (last bool, err error) {
	if k.within {
		end, err := k.r.Peek(2)
		if err != nil {
			return false, err
		}
		if string(end) != "\r\n" {
			return false, errChunks
		}
		_, _ = k.r.Discard(2)
		k.within = false
	}
	line, err := k.peekLine()
	if err != nil {
		return false, err
	}
	size, ok := chunkSize(line)
	if !ok {
		return false, errChunks
	}
	if size == 0 {
		return true, nil
	}
	k.excess = max(0, k.excess+len(line)+2-chunkOverhead-byteOverhead*int(min(size, maxExcess)))
	if k.excess > maxExcess {
		return false, errChunks
	}
	_, _ = k.r.Discard(len(line))
	k.left, k.within = size, true
	return false, nil
}

// peekLine returns the next line with its LF, and leaves it unread.
func (k *chunks) peekLine() ([]byte, error) {
	for {
		have, _ := k.r.Peek(k.r.Buffered())
		if end := bytes.IndexByte(have, '\n'); end >= 0 {
			return have[:end+1], nil
		}
		if _, err := k.r.Peek(len(have) + 1); err != nil {
			return nil, err
		}
	}
}

// chunkSize parses the line with the size of a chunk.
func chunkSize(line []byte) (size uint64, ok bool) {
	line, ok = bytes.CutSuffix(line, []byte("\r\n"))
	if !ok || len(line) > maxChunkLine || bytes.IndexByte(line, '\r') >= 0 {
		return 0, false
	}
	line, _, _ = bytes.Cut(bytes.TrimRight(line, " \t"), []byte(";"))
	if len(line) == 0 || len(line) > 16 {
		return 0, false
	}
	for _, b := range line {
		switch {
		case '0' <= b && b <= '9':
			b -= '0'
		case 'a' <= b && b <= 'f':
			b -= 'a' - 10
		case 'A' <= b && b <= 'F':
			b -= 'A' - 10
		default:
			return 0, false
		}
		size = size<<4 | uint64(b)
	}
	return size, true
}

// end reads the last chunk and the trailer.
func (k *chunks) end(p []byte) (int, error) {
	n, err := k.last.Read(p)
	if n > 0 || err == nil {
		return 0, errChunks
	}
	return 0, err
}

// unexpected maps io.EOF to io.ErrUnexpectedEOF.
func unexpected(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
