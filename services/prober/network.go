package prober

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"rollcall/events"
	"rollcall/services/dial"
	"rollcall/services/registry"
)

// maxHeader is the largest number of bytes that the prober reads of a response.
const maxHeader = 16 << 10

// network probes servers over the network, as the package comment describes.
type network struct{ Config }

func (n *network) probe(ctx context.Context, p registry.Probe) registry.Finding {
	found := n.try(ctx, p)
	if found != registry.FindingRefused { // only a refusal needs a second attempt: a server that restarts refuses connections for a moment
		return found
	}
	select {
	case <-time.After(n.Again):
		return n.try(ctx, p)
	case <-ctx.Done():
		return registry.FindingUnknown
	}
}

// try makes one attempt, which takes at most Config.Timeout.
func (n *network) try(ctx context.Context, p registry.Probe) registry.Finding {
	addr, err := events.ParseAddr(p.Addr)
	if err != nil || n.Permit(addr) != nil {
		return registry.FindingUnknown
	}
	deadline := time.Now().Add(n.Timeout)
	found := n.request(ctx, addr.String(), p, deadline)
	if ctx.Err() != nil {
		return registry.FindingUnknown
	}
	return dial.By(deadline, found)
}

func (n *network) request(ctx context.Context, addr string, p registry.Probe, deadline time.Time) registry.Finding {
	dialing, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	conn, err := n.Dial(dialing, addr)
	if err != nil {
		return dial.Finding(err)
	}
	defer conn.Close()
	if n.Mode == ModeTCP {
		return registry.FindingAccepted
	}
	defer closeAtEnd(ctx, conn)()
	if conn.SetDeadline(deadline) != nil {
		return registry.FindingUnknown
	}
	_, err = io.WriteString(conn, "GET "+events.IdentityPath+" HTTP/1.1\r\n"+
		"Host: "+addr+"\r\nUser-Agent: rollcall-prober\r\nConnection: close\r\n\r\n")
	var header http.Header
	if err == nil {
		header, err = readHeader(conn)
	}
	if err != nil {
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return registry.FindingSilent
		}
		return registry.FindingAccepted // the server closed the connection, or does not speak HTTP
	}
	return identify(header, p)
}

var errNoHTTP = errors.New("prober: response is not HTTP")

// readHeader skips interim responses (status 1xx except 101), and returns the header of the final response. It reads at most
// maxHeader bytes.
func readHeader(conn io.Reader) (http.Header, error) {
	broken := &errorReader{Reader: conn}
	r := bufio.NewReader(io.LimitReader(broken, maxHeader))
	const proto = "HTTP/"
	for n := range len(proto) { // ReadResponse would wait for a line break, which the greeting of another protocol may lack
		if start, _ := r.Peek(n + 1); !strings.HasPrefix(proto, string(start)) {
			return nil, errNoHTTP
		}
	}
	for {
		res, err := http.ReadResponse(r, nil)
		if err != nil {
			return nil, cmp.Or(broken.err, err)
		}
		if res.StatusCode >= http.StatusOK || res.StatusCode == http.StatusSwitchingProtocols {
			return res.Header, nil
		}
	}
}

// errorReader keeps the last error of a Reader, because http.ReadResponse hides this error behind an error about an incomplete
// line.
type errorReader struct {
	io.Reader
	err error
}

func (r *errorReader) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	r.err = err
	return n, err
}

// closeAtEnd closes conn when ctx ends, so that reads and writes return. The caller must call release, which waits until the
// goroutine that closes conn has ended.
func closeAtEnd(ctx context.Context, conn net.Conn) (release func()) {
	closed := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(closed)
		_ = conn.Close()
	})
	return func() {
		if !stop() {
			<-closed
		}
	}
}
