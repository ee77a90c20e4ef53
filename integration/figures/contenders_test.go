package figures

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"rollcall/integration/fixture"
	"rollcall/integration/harness"
)

// contender is a proxy that a benchmark compares with other proxies. All contenders forward to the same servers.
type contender struct {
	name string
	addr string
	path string // path prefix of the requests that the proxy forwards to the servers
	pid  int
}

// stockSpec describes a proxy made of httputil.ReverseProxy only.
type stockSpec struct {
	Listen  string
	Servers []string
}

func startChildStock(spec stockSpec) (string, func() error, error) {
	servers := make([]*url.URL, len(spec.Servers))
	for i, addr := range spec.Servers {
		servers[i] = &url.URL{Scheme: "http", Host: addr}
	}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(servers[rand.IntN(len(servers))]) },
		Transport: &http.Transport{
			DialContext:           (&net.Dialer{Timeout: time.Second}).DialContext,
			MaxIdleConnsPerHost:   256,
			IdleConnTimeout:       90 * time.Second,
			ResponseHeaderTimeout: 30 * time.Second,
			DisableCompression:    true,
		},
	}
	return serveChild(spec.Listen, proxy)
}

// serveChild serves a handler in a child process.
func serveChild(listen string, handler http.Handler) (string, func() error, error) {
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return "", nil, err
	}
	h := &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second, IdleTimeout: 90 * time.Second}
	go func() { _ = h.Serve(l) }()
	return "serves", func() error {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		return h.Shutdown(ctx)
	}, nil
}

// aloneSpec describes an http.Server whose handler responds at once with Size bytes.
type aloneSpec struct {
	Listen string
	Size   int
}

func startChildAlone(spec aloneSpec) (string, func() error, error) {
	body := bytes.Repeat([]byte("a"), spec.Size)
	return serveChild(spec.Listen, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		h := w.Header()
		h["Content-Type"], h["Content-Length"] = []string{"application/octet-stream"}, []string{strconv.Itoa(len(body))}
		_, _ = w.Write(body)
	}))
}

// startAlone starts the http.Server of an aloneSpec. It forwards nothing: it shows how much of a proxy's CPU time net/http takes for the
// connection to the client.
func startAlone(tb testing.TB, size int) contender {
	tb.Helper()
	c := contender{name: "net/http-alone", addr: fixture.FreeAddr(tb), path: "/"}
	c.pid = harness.StartChild(tb, harness.ChildCommand(tb, "alone", aloneSpec{Listen: c.addr, Size: size})).Cmd.Process.Pid
	return c
}

func startStockProxy(tb testing.TB, servers []string) contender {
	tb.Helper()
	c := contender{name: "stock", addr: fixture.FreeAddr(tb), path: "/"}
	c.pid = harness.StartChild(tb, harness.ChildCommand(tb, "stock", stockSpec{Listen: c.addr, Servers: servers})).Cmd.Process.Pid
	return c
}

// With these settings nginx and haproxy work like the other contenders: they choose a random server, keep connections open, and use all
// cores.
const (
	nginxConfig = `
worker_processes auto;
pid nginx.pid;
error_log stderr crit;
events { worker_connections 4096; }
http {
  access_log off;
  keepalive_requests 100000000;
  client_body_temp_path body;
  proxy_temp_path proxy;
  fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
  proxy_max_temp_file_size 0;
  upstream servers {
    random;
%s    keepalive 256;
    keepalive_requests 100000000;
  }
  server {
    listen %s;
    location / {
      proxy_pass http://servers;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
    }
  }
}
`
	haproxyConfig = `
global
  maxconn 4096
defaults
  mode http
  timeout connect 1s
  timeout client 90s
  timeout server 30s
frontend proxy
  bind %s
  default_backend servers
backend servers
  balance random
  http-reuse always
%s`
)

func startNginx(tb testing.TB, servers []string) (contender, bool) {
	tb.Helper()
	path, ok := findDaemon(tb, "nginx")
	if !ok {
		return contender{}, false
	}
	dir, addr := tb.TempDir(), fixture.FreeAddr(tb)
	var list strings.Builder
	for _, s := range servers {
		fmt.Fprintf(&list, "    server %s;\n", s)
	}
	file := filepath.Join(dir, "nginx.conf")
	fixture.Must(tb, os.WriteFile(file, fmt.Appendf(nil, nginxConfig, &list, addr), 0o600))
	return startContender(tb, "nginx", addr, exec.Command(path, "-p", dir, "-c", file, "-e", "stderr", "-g", "daemon off;")), true
}

func startHAProxy(tb testing.TB, servers []string) (contender, bool) {
	tb.Helper()
	path, ok := findDaemon(tb, "haproxy")
	if !ok {
		return contender{}, false
	}
	addr := fixture.FreeAddr(tb)
	var list strings.Builder
	for i, s := range servers {
		fmt.Fprintf(&list, "  server s%d %s\n", i, s)
	}
	file := filepath.Join(tb.TempDir(), "haproxy.cfg")
	fixture.Must(tb, os.WriteFile(file, fmt.Appendf(nil, haproxyConfig, addr, &list), 0o600))
	return startContender(tb, "haproxy", addr, exec.Command(path, "-db", "-f", file)), true
}

// findDaemon returns the path of a program. It also looks in folders that may be missing in PATH.
func findDaemon(tb testing.TB, name string) (string, bool) {
	tb.Helper()
	for _, file := range []string{name, "/usr/sbin/" + name, "/usr/local/sbin/" + name} {
		if path, err := exec.LookPath(file); err == nil {
			return path, true
		}
	}
	tb.Logf("%s is not installed and not measured", name)
	return "", false
}

func startContender(tb testing.TB, name, addr string, cmd *exec.Cmd) contender {
	tb.Helper()
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	p := harness.StartProcess(tb, cmd)
	tb.Cleanup(p.Terminate) // Kill would end the parent process and leave its workers running
	fixture.Eventually(tb, 5*time.Second, name+" serves", func() bool {
		conn, err := net.Dial("tcp", addr)
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	})
	return contender{name: name, addr: addr, path: "/", pid: cmd.Process.Pid}
}

// cpuOf returns the CPU time that a process and its children have used so far. It reports false if /proc does not list the process.
func cpuOf(pid int) (time.Duration, bool) {
	const hertz = 100 // ticks per second in /proc/PID/stat, the same on every Linux
	files, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return 0, false
	}
	var ticks int64
	found := false
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // the process has ended
		}
		// In /proc/PID/stat, the name of the program stands in brackets. Of the fields after it, the first is the state, the second the
		// parent, the 12th the user time and the 13th the system time.
		fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
		id := filepath.Base(filepath.Dir(file))
		if len(fields) < 13 || id != strconv.Itoa(pid) && fields[1] != strconv.Itoa(pid) {
			continue
		}
		user, err1 := strconv.ParseInt(fields[11], 10, 64)
		system, err2 := strconv.ParseInt(fields[12], 10, 64)
		if err1 != nil || err2 != nil {
			return 0, false
		}
		ticks += user + system
		found = true
	}
	return time.Duration(ticks) * time.Second / hertz, found
}
