package nsqpubsub

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"runtime"
	"testing"

	"github.com/nsqio/go-nsq"
)

// frame returns a frame whose size field has the given value, whatever the size of the data.
func frame(size uint32, kind int32, data []byte) []byte {
	b := binary.BigEndian.AppendUint32(nil, size)
	return append(binary.BigEndian.AppendUint32(b, uint32(kind)), data...)
}

func TestReadFrame(t *testing.T) {
	large := bytes.Repeat([]byte("x"), 3*readBuffer)
	full := bytes.Repeat([]byte("x"), readBuffer-8)
	for name, tt := range map[string]struct {
		input []byte
		data  []byte
		err   error
	}{
		"small":                          {input: frame(6, nsq.FrameTypeResponse, []byte("OK")), data: []byte("OK")},
		"no data":                        {input: frame(4, nsq.FrameTypeResponse, nil), data: []byte{}},
		"exactly as large as the buffer": {input: frame(readBuffer-4, nsq.FrameTypeMessage, full), data: full},
		"larger than the buffer":         {input: frame(3*readBuffer+4, nsq.FrameTypeMessage, large), data: large},
		"end between two frames":         {err: io.EOF},
		"end in the size":                {input: []byte{0, 0, 0}, err: io.ErrUnexpectedEOF},
		"end in the data":                {input: frame(7, nsq.FrameTypeResponse, []byte("OK")), err: io.ErrUnexpectedEOF},
		"end in the data of a large one": {input: frame(3*readBuffer+5, nsq.FrameTypeMessage, large), err: io.ErrUnexpectedEOF},
		"no type":                        {input: frame(3, 0, nil), err: errProtocol},
		"one byte too large":             {input: frame(maxFrame+1, nsq.FrameTypeMessage, nil), err: errProtocol},
		"negative size":                  {input: frame(1<<31, nsq.FrameTypeMessage, nil), err: errProtocol},
		"HTTP":                           {input: []byte("HTTP/1.1 400 Bad Request"), err: errProtocol},
	} {
		t.Run(name, func(t *testing.T) {
			_, data, err := readFrame(bufio.NewReaderSize(bytes.NewReader(tt.input), readBuffer))
			if !errors.Is(err, tt.err) || !bytes.Equal(data, tt.data) {
				t.Errorf("got %d bytes, error %v; want %d bytes, error %v", len(data), err, len(tt.data), tt.err)
			}
		})
	}
}

// The largest size that is accepted must not take memory before its bytes arrive.
func TestSizeOfFrameTakesNoMemory(t *testing.T) {
	r := bufio.NewReader(bytes.NewReader(frame(maxFrame, nsq.FrameTypeMessage, []byte("x"))))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, _, err := readFrame(r)
	runtime.ReadMemStats(&after)
	if err != io.ErrUnexpectedEOF {
		t.Errorf("got %v, want %v", err, io.ErrUnexpectedEOF)
	}
	if got := after.TotalAlloc - before.TotalAlloc; got > 1<<20 {
		t.Errorf("allocated %d bytes for a frame of which one byte arrived", got)
	}
}

// FuzzReadFrame compares the frames that readFrame returns with those that go-nsq reads, which allocates whatever a frame claims.
func FuzzReadFrame(f *testing.F) {
	f.Add(frame(6, nsq.FrameTypeResponse, []byte("OK")))
	f.Add(append(frame(4, nsq.FrameTypeError, nil), frame(15, nsq.FrameTypeResponse, []byte("_heartbeat_"))...))
	f.Add(frame(1<<31, nsq.FrameTypeMessage, []byte("x")))
	f.Add(append(frame(6, nsq.FrameTypeResponse, []byte("OK")), frame(10, nsq.FrameTypeResponse, []byte("part"))...))
	f.Add(frame(40, nsq.FrameTypeMessage, make([]byte, 36)))
	f.Fuzz(func(t *testing.T, input []byte) {
		const buffer = 64 // small, so that frames larger than the buffer occur
		c := &conn{r: bufio.NewReaderSize(bytes.NewReader(input), buffer)}
		other := bytes.NewReader(input)
		for {
			complete := c.hasFrame()
			kind, data, err := c.readFrame()
			if complete && err != nil && !errors.Is(err, errProtocol) {
				t.Fatalf("hasFrame is true, but readFrame returns %v", err)
			}
			if size := bytes.NewReader(input[len(input)-other.Len():]); size.Len() >= 4 {
				var n uint32
				_ = binary.Read(size, binary.BigEndian, &n)
				if int64(n) > int64(len(input)) {
					if err == nil {
						t.Fatalf("read a frame of %d bytes from %d bytes", n, len(input))
					}
					return
				}
			}
			wantKind, wantData, wantErr := nsq.ReadUnpackedResponse(other)
			if (err == nil) != (wantErr == nil) {
				t.Fatalf("got error %v, go-nsq has %v", err, wantErr)
			}
			if err != nil {
				return
			}
			if kind != wantKind || !bytes.Equal(data, wantData) {
				t.Fatalf("got type %d, %q; go-nsq has %d, %q", kind, data, wantKind, wantData)
			}
		}
	})
}
