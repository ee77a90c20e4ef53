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

// maxHeader bounds what is read of an answer.
const maxHeader = 16 << 10

// network asks by the rules of the package comment.
type network struct{ Config }

func (n *network) ask(ctx context.Context, p registry.Probe) registry.Finding {
	found := n.try(ctx, p)
	if found != registry.FindingRefused { // a server that restarts refuses for a moment
		return found
	}
	select {
	case <-time.After(n.Again):
		return n.try(ctx, p)
	case <-ctx.Done():
		return registry.FindingUnknown
	}
}

// try calls once.
func (n *network) try(ctx context.Context, p registry.Probe) registry.Finding {
	addr, err := events.ParseAddr(p.Addr)
	if err != nil || n.Permit(addr) != nil {
		return registry.FindingUnknown
	}
	deadline := time.Now().Add(n.Timeout)
	found := n.call(ctx, addr.String(), p, deadline)
	if ctx.Err() != nil {
		return registry.FindingUnknown
	}
	return dial.By(deadline, found)
}

func (n *network) call(ctx context.Context, addr string, p registry.Probe, deadline time.Time) registry.Finding {
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
		return registry.FindingAccepted // it closed, or what it speaks is no HTTP
	}
	return identify(header, p)
}

var errNoHTTP = errors.New("prober: no HTTP")

// readHeader reads the header of the final response, and no more than maxHeader.
func readHeader(conn io.Reader) (http.Header, error) {
	broken := &remembering{Reader: conn}
	r := bufio.NewReader(io.LimitReader(broken, maxHeader))
	const proto = "HTTP/"
	for n := range len(proto) { // a greeting that begins otherwise need not be a line that ends
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

// remembering keeps the error of a Reader: http.ReadResponse takes what came before it for a line, and tells of that.
type remembering struct {
	io.Reader
	err error
}

func (r *remembering) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	r.err = err
	return n, err
}

// closeAtEnd closes conn when ctx ends, so that nobody waits for it. What it returns ends that, and returns when no
// goroutine of it is left.
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
