package clientconn

import "bytes"

// fields is the set of header fields that define where a body ends.
type fields uint8

const (
	hasLength fields = 1 << iota // Content-Length
	hasCoding                    // Transfer-Encoding
)

const (
	lengthName = "content-length"
	codingName = "transfer-encoding"
)

// headerLines finds empty lines in a stream, and lines that begin with Content-Length or Transfer-Encoding. A line ends with LF. A CR
// before the LF belongs to the end of the line, as in net/http. The name may follow spaces and may be followed by anything, because a
// lenient parser might accept such a line as the field.
type headerLines struct {
	found fields // fields found in the current header; they stay until the first call of next after the end of the header
	ended bool   // the last call of headerLines.next found an empty line

	// State of the current line:
	skip     bool                  // it is known whether the line is one of the fields, so the rest of the line is skipped
	notEmpty bool                  // the line has a byte other than a leading CR
	cr       bool                  // the line consists of one CR so far
	name     [len(codingName)]byte // field name so far, in lower case
	n        int                   // number of bytes in headerLines.name
}

// next scans the bytes p up to the end of the first empty line. It returns how many bytes it scanned, and whether it found an empty line.
func (h *headerLines) next(p []byte) (n int, ended bool) {
	if h.ended {
		h.found, h.ended = 0, false
	}
	for n < len(p) {
		if h.skip {
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
		case b == '\n' && !h.notEmpty:
			h.begin()
			h.ended = true
			return n, true
		case b == '\n':
			h.begin()
		case b == '\r' && !h.notEmpty && !h.cr:
			h.cr = true
		default:
			h.notEmpty = true
			h.add(b)
		}
	}
	return n, false
}

// begin resets the state for a new line.
func (h *headerLines) begin() { h.skip, h.notEmpty, h.cr, h.n = false, false, false, 0 }

// add adds a byte to the field name of the current line. It records the field if the name is now Content-Length or Transfer-Encoding.
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
		h.skip = true
	case h.n == len(codingName):
		if string(h.name[:]) == codingName {
			h.found |= hasCoding
		}
		h.skip = true
	case b != lengthName[min(h.n, len(lengthName))-1] && b != codingName[h.n-1]:
		h.skip = true
	}
}
