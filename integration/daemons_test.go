package integration

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// daemon is an nsqd or nsqlookupd in a process of its own. It has the same addresses, and the same data, each time it
// is started.
type daemon struct {
	*process
	name string
	spec daemonSpec
	tcp  string
	http string
}

func newDaemon(tb testing.TB, name string, lookupd ...string) *daemon {
	tb.Helper()
	spec := daemonSpec{TCP: freeAddr(tb), HTTP: freeAddr(tb), Data: tb.TempDir(), Lookupd: lookupd}
	d := &daemon{name: name, spec: spec, tcp: spec.TCP, http: spec.HTTP}
	d.start(tb)
	return d
}

func startNSQD(tb testing.TB, lookupd ...string) *daemon {
	tb.Helper()
	return newDaemon(tb, "nsqd", lookupd...)
}

func startLookupd(tb testing.TB) *daemon {
	tb.Helper()
	return newDaemon(tb, "nsqlookupd")
}

// start returns when the daemon serves.
func (d *daemon) start(tb testing.TB) {
	tb.Helper()
	d.process = startChild(tb, childCommand(tb, d.name, d.spec))
}

// startChild returns when the child has said that it serves.
func startChild(tb testing.TB, cmd *exec.Cmd) *process {
	tb.Helper()
	p, _ := hearChild(tb, cmd)
	return p
}

// hearChild returns what the child says when its start is done.
func hearChild(tb testing.TB, cmd *exec.Cmd) (*process, string) {
	tb.Helper()
	out, err := cmd.StdoutPipe()
	must(tb, err)
	p := startProcess(tb, cmd)
	said, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		tb.Fatalf("%s did not start: %v", cmd, err)
	}
	return p, said
}

// nextPort begins where another run of the tests hardly does.
var nextPort = func() *atomic.Int64 {
	var port atomic.Int64
	port.Store(10_000 + int64(os.Getpid())*101%15_000)
	return &port
}()

// freeAddr is an address that stays free while nobody listens on it: below the ports that the system gives to
// connections, which else would come to have that of a broker that is down.
func freeAddr(tb testing.TB) string {
	tb.Helper()
	for range 5000 {
		addr := fmt.Sprintf("127.0.0.1:%d", nextPort.Add(1))
		if l, err := net.Listen("tcp", addr); err == nil {
			must(tb, l.Close())
			return addr
		}
	}
	tb.Fatal("no port is free")
	return ""
}

// fleet is many data servers in one process.
type fleet struct {
	*process
	ids []string
}

func startFleet(tb testing.TB, spec fleetSpec) *fleet {
	tb.Helper()
	f := &fleet{process: startChild(tb, childCommand(tb, "fleet", spec))}
	for i := range spec.Servers {
		f.ids = append(f.ids, spec.id(i))
	}
	return f
}

// blackHole is an address that answers nothing, not even a connection, as that of a host that is gone: its accept
// backlog is full.
func blackHole(tb testing.TB) string {
	tb.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	must(tb, err)
	tb.Cleanup(func() { must(tb, syscall.Close(fd)) })
	syscall.CloseOnExec(fd)
	must(tb, syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
	must(tb, syscall.Listen(fd, 0))
	name, err := syscall.Getsockname(fd)
	must(tb, err)
	addr := fmt.Sprintf("127.0.0.1:%d", name.(*syscall.SockaddrInet4).Port)
	for range 64 {
		conn, err := net.DialTimeout("tcp", addr, 200*time.Millisecond)
		if err != nil {
			return addr
		}
		tb.Cleanup(func() { must(tb, conn.Close()) })
	}
	tb.Fatalf("%s takes every connection", addr)
	return ""
}

// post is what curl does.
func post(tb testing.TB, url string, body []byte) {
	tb.Helper()
	resp, err := http.Post(url, "application/octet-stream", bytes.NewReader(body))
	must(tb, err)
	defer resp.Body.Close()
	var answer bytes.Buffer
	if _, err := answer.ReadFrom(resp.Body); err != nil || resp.StatusCode != http.StatusOK {
		tb.Fatal(resp.Status, answer.String(), err)
	}
}
