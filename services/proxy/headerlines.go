package proxy

import "bytes"

// fields are those of a header that say where the body ends.
type fields uint8

const (
	hasLength fields = 1 << iota // Content-Length
	hasCoding                    // Transfer-Encoding
)

const (
	lengthName = "content-length"
	codingName = "transfer-encoding"
)

// headerLines looks through a stream for lines that begin with the name of one of fields, and for empty lines. A line ends with LF, and a
// CR before it belongs to the end, as in net/http. It is generous with names: what precedes them may be a space, and what follows
// them anything.
type headerLines struct {
	found fields // after the last empty line; when next reports one: before it
	ended bool   // next reported an empty line

	inside bool                  // the name of this line is known
	bare   bool                  // this line is not empty, though it has no name yet
	cr     bool                  // this line is a CR so far
	name   [len(codingName)]byte // of this line, so far, in lower case
	n      int
}

// next looks at p up to the end of the first empty line. It returns how many bytes these are and whether there is one.
func (h *headerLines) next(p []byte) (n int, ended bool) {
	if h.ended {
		h.found, h.ended = 0, false
	}
	for n < len(p) {
		if h.inside {
			end := bytes.IndexByte(p[n:], '\n')
			if end < 0 {
				return len(p), false
			}
			n += end + 1
			h.begin()
			continue
		}
		b := p[n]
		n++
		switch {
		case b == '\n' && !h.bare:
			h.begin()
			h.ended = true
			return n, true
		case b == '\n':
			h.begin()
		case b == '\r' && !h.bare && !h.cr:
			h.cr = true
		default:
			h.bare = true
			h.add(b)
		}
	}
	return n, false
}

// begin is the begin of a line.
func (h *headerLines) begin() { h.inside, h.bare, h.cr, h.n = false, false, false, 0 }

// add takes a byte of a line that is not empty.
func (h *headerLines) add(b byte) {
	if h.n == 0 && (b == ' ' || b == '\t') {
		return
	}
	if 'A' <= b && b <= 'Z' {
		b += 'a' - 'A'
	}
	h.name[h.n] = b
	h.n++
	switch {
	case h.n == len(lengthName) && string(h.name[:h.n]) == lengthName:
		h.found |= hasLength
		h.inside = true
	case h.n == len(codingName):
		if string(h.name[:]) == codingName {
			h.found |= hasCoding
		}
		h.inside = true
	case b != lengthName[min(h.n, len(lengthName))-1] && b != codingName[h.n-1]:
		h.inside = true
	}
}
