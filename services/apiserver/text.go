package apiserver

import (
	"bytes"
	"sync"
)

// pieceSize is the length of a piece of a long text, in bytes. A piece is written to a client in one call.
const pieceSize = 128 << 10

// pieceRoom is the memory of a piece: a piece ends with the first entry that exceeds pieceSize.
const pieceRoom = pieceSize + 4<<10

// text is a long text in pieces. The memory of the pieces is used again, so a list of any length costs few allocations.
type text struct {
	pieces [][]byte
	size   int64

	entries int // number of servers or services in the text; the encoder sets it
}

var pieceMemory = sync.Pool{New: func() any { return (*[pieceRoom]byte)(make([]byte, pieceRoom)) }}

// last returns the piece that the next entry is appended to. The caller hands the longer piece to the method set.
func (t *text) last() []byte {
	if n := len(t.pieces); n > 0 && len(t.pieces[n-1]) < pieceSize {
		return t.pieces[n-1]
	}
	t.pieces = append(t.pieces, pieceMemory.Get().(*[pieceRoom]byte)[:0])
	return t.pieces[len(t.pieces)-1]
}

// set replaces the piece that the method last returned.
func (t *text) set(piece []byte) {
	n := len(t.pieces) - 1
	t.size += int64(len(piece) - len(t.pieces[n]))
	t.pieces[n] = piece
}

// Write appends b. It returns no error.
func (t *text) Write(b []byte) (int, error) {
	for rest := b; len(rest) > 0; {
		piece := t.last()
		n := min(len(rest), pieceSize-len(piece))
		t.set(append(piece, rest[:n]...))
		rest = rest[n:]
	}
	return len(b), nil
}

// shrink gives most of the memory of a short text back.
func (t *text) shrink() {
	if len(t.pieces) == 1 && t.size < pieceSize/2 {
		short := text{[][]byte{bytes.Clone(t.pieces[0])}, t.size, t.entries}
		t.free()
		*t = short
	}
}

// free gives the memory back. The text must not be used afterwards.
func (t *text) free() {
	for _, p := range t.pieces {
		if cap(p) == pieceRoom { // an entry longer than the room has moved its piece to other memory
			pieceMemory.Put((*[pieceRoom]byte)(p[:pieceRoom]))
		}
	}
	*t = text{}
}
