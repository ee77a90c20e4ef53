package upstream

import (
	"bufio"
	"bytes"
	"io"
	"net/http/httputil"
	"strings"
	"testing"
)

// FuzzChunks checks that the type chunks reads the same data as the chunked reader of net/http. The input arrives in pieces.
func FuzzChunks(f *testing.F) {
	for _, seed := range []string{
		"4\r\nbody\r\n0\r\n", "4;a=b\r\nbody\r\n1 \r\na\r\n0\r\n", "A\r\n0123456789\r\n00;x\r\n", "4\nbody\n0\n", "4\r\nbodyx\r\n0\r\n", "4\r\nbody\r\n",
		"-1\r\n", "\r\n", "0x4\r\nbody\r\n0\r\n", "fffffffffffffffff\r\n", "4\r\r\nbody\r\n0\r\n", "4 ;a\r\nbody\r\n0\r\n", "1_0\r\n", strings.Repeat("1;aaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\na\r\n", 600) + "0\r\n",
		"4;" + strings.Repeat("a", readSize) + "\r\nbody\r\n0\r\n", "4;" + strings.Repeat("a", readSize-4) + "\r\nbody\r\n0\r\n",
		"4;" + strings.Repeat("a", maxChunkLine-2) + "\r\nbody\r\n0\r\n", "4;" + strings.Repeat("a", maxChunkLine-1) + "\r\nbody\r\n0\r\n",
	} {
		for _, size := range []uint8{0, 1, 3} {
			f.Add([]byte(seed), size)
		}
	}
	f.Fuzz(func(t *testing.T, input []byte, size uint8) {
		want, wantErr := io.ReadAll(httputil.NewChunkedReader(bufio.NewReaderSize(bytes.NewReader(input), readSize)))
		r := bufio.NewReaderSize(&inPieces{bytes.NewReader(input), int(size)}, readSize)
		got, err := io.ReadAll(&chunks{r: r, last: httputil.NewChunkedReader(r)})
		if err == nil && (wantErr != nil || !bytes.Equal(got, want)) {
			t.Errorf("got %q, want %q, %v, of %q", got, want, wantErr, input)
		}
		if wantErr == nil && err != nil {
			t.Errorf("%v where net/http reads %q, of %q", err, want, input)
		}
	})
}

// inPieces limits each Read to size bytes. If size is 0, there is no limit.
type inPieces struct {
	io.Reader
	size int
}

func (r *inPieces) Read(p []byte) (int, error) {
	if r.size > 0 && len(p) > r.size {
		p = p[:r.size]
	}
	return r.Reader.Read(p)
}
