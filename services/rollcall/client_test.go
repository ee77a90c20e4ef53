package main

import (
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"rollcall/events"
	"rollcall/integration/fixture"
)

func TestServersInTextAndJSON(t *testing.T) {
	api := mustAPI(t, "/v1/servers", http.StatusOK, "servers.json")
	for _, row := range []struct{ name, args, golden string }{
		{"ls", "ls", "ls.txt"},
		{"ls as JSON", "ls -o json", "ls.json"},
	} {
		t.Run(row.name, func(t *testing.T) {
			got := call(t, append(strings.Fields(row.args), "--api", api.URL)...)
			if got.code != 0 || got.stderr != "" {
				t.Errorf("got %+v", got)
			}
			golden(t, row.golden, got.stdout)
			if strings.Contains(got.stdout, "\x1b") {
				t.Error("escape codes, although this is no terminal")
			}
		})
	}
}

func TestAServerInTextAndJSON(t *testing.T) {
	api := mustAPI(t, "/v1/servers/data/10.0.0.7:8080", http.StatusOK, "server.json")
	for _, row := range []struct{ name, args, golden string }{
		{"get", "get data/10.0.0.7:8080", "get.txt"},
		{"get as JSON", "get data/10.0.0.7:8080 --output json", "get.json"},
	} {
		t.Run(row.name, func(t *testing.T) {
			got := call(t, append(strings.Fields(row.args), "--api", api.URL)...)
			if got.code != 0 || got.stderr != "" {
				t.Errorf("got %+v", got)
			}
			golden(t, row.golden, got.stdout)
		})
	}
	t.Run("of none is told and exits with 1", func(t *testing.T) {
		got := call(t, "get", "data/x", "--api", api.URL)
		if want := "rollcall: apiserver: 404 Not Found: no such server\n"; got != (result{1, "", want}) {
			t.Errorf("got %+v, want %q", got, want)
		}
	})
}

func TestLsFlagsSelectServers(t *testing.T) {
	var query string
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		query = r.URL.RawQuery
		_, _ = w.Write([]byte(`{"revision":1,"mode":"normal","complete":true,"servers":[]}`))
	}))
	t.Cleanup(api.Close)
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	t.Setenv("ROLLCALL_API", api.URL)
	for args, want := range map[string]string{
		"ls":                     "",
		"ls data":                "service=data",
		"ls data --service data": "service=data",
		"ls data --complete":     "complete=true&service=data",
		"ls --service data --state alive --zone a --tag blue --tag new --meta rack=r7": "meta.rack=r7&service=data&state=alive&tag=blue&tag=new&zone=a",
	} {
		if got := call(t, strings.Fields(args)...); got.code != 0 || !strings.HasPrefix(got.stdout, "SERVICE") {
			t.Errorf("%s: got %+v", args, got)
		}
		if query != want {
			t.Errorf("%s: asked for %q, want %q", args, query, want)
		}
	}
}

// A warning about a list goes to standard error.
func TestLsWarnsInBlindAndHoldingMode(t *testing.T) {
	for mode, want := range map[string]string{
		"normal": "", "warming": "",
		"blind":   "rollcall: the API server is in mode blind, so the list may contain servers that are gone; see rollcall status\n",
		"holding": "rollcall: the API server is in mode holding, so the list may contain servers that are gone; see rollcall status\n",
	} {
		t.Run(mode, func(t *testing.T) {
			api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, _ = w.Write([]byte(`{"revision":1,"mode":"` + mode + `","complete":true,"servers":[]}`))
			}))
			t.Cleanup(api.Close)
			t.Cleanup(http.DefaultClient.CloseIdleConnections)
			if got := call(t, "ls", "--api", api.URL); got.code != 0 || got.stderr != want || !strings.HasPrefix(got.stdout, "SERVICE") {
				t.Errorf("got %+v, want %q", got, want)
			}
		})
	}
}

func TestFlagOverridesROLLCALL_API(t *testing.T) {
	api := mustAPI(t, "/v1/servers", http.StatusOK, "servers.json")
	t.Setenv("ROLLCALL_API", fixture.FreeAddr(t))
	if got := call(t, "ls", "--api", strings.TrimPrefix(api.URL, "http://")); got.code != 0 {
		t.Errorf("got %+v", got)
	}
}

func TestRefusedConnectionGetsAHint(t *testing.T) {
	addr := fixture.FreeAddr(t)
	for _, verb := range []string{"ls", "get data/x", "services", "pick data", "status", "healthcheck"} {
		t.Run(verb, func(t *testing.T) {
			got := call(t, append(strings.Fields(verb), "--api", addr)...)
			if got.code != 1 || got.stdout != "" || !strings.Contains(got.stderr, addr) ||
				!strings.HasSuffix(got.stderr, "connection refused\nrollcall: is an API server running there? See --api and ROLLCALL_API\n") {
				t.Errorf("got %+v", got)
			}
		})
	}
}

func TestHealthcheck(t *testing.T) {
	ready, warming := mustAPI(t, "/readyz", http.StatusOK, ""), mustAPI(t, "/readyz", http.StatusServiceUnavailable, "problem.json")
	for name, row := range map[string]struct {
		args   string
		code   int
		stderr string
	}{
		"API ready":            {"--api " + ready.URL, 0, ""},
		"API not ready":        {"--api " + warming.URL, 1, "rollcall: apiserver: 503 Service Unavailable: not ready: warming, the roll may be incomplete\n"},
		"URL responds 200":     {ready.URL + "/readyz", 0, ""},
		"URL responds 404":     {ready.URL + "/other", 1, "rollcall: " + ready.URL + "/other responds 404 Not Found\n"},
		"URL responds 503":     {warming.URL + "/readyz", 1, "rollcall: " + warming.URL + "/readyz responds 503 Service Unavailable\n"},
		"URL without a scheme": {"h/healthz", 1, "rollcall: Get \"h/healthz\": unsupported protocol scheme \"\"\n"},
	} {
		t.Run(name, func(t *testing.T) {
			got := call(t, append([]string{"healthcheck"}, strings.Fields(row.args)...)...)
			if want := (result{row.code, "", row.stderr}); got != want {
				t.Errorf("got %+v, want %+v", got, want)
			}
		})
	}
}

func TestHealthcheckTimeout(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0") // the kernel accepts connections to the listener l, but nothing responds
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	begun := time.Now()
	got := call(t, "healthcheck", "http://"+l.Addr().String())
	if took := time.Since(begun); got.code != 1 || took < checkTimeout || took > 2*checkTimeout {
		t.Errorf("got %+v after %v, want 1 after %v", got, took, checkTimeout)
	}
}

func TestStatesAreColoredOnTerminalsOnly(t *testing.T) {
	device, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0) // a character device, like a terminal
	if err != nil {
		t.Fatal(err)
	}
	defer device.Close()
	file, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()

	if got := paint(device, events.StateAlive); got != "\x1b[32malive\x1b[39m" {
		t.Errorf("terminal: %q", got)
	}
	if got := paint(file, events.StateAlive); got != "alive" {
		t.Errorf("file: %q", got)
	}
	if got := paint(&written{}, events.StateAlive); got != "alive" {
		t.Errorf("buffer: %q", got)
	}
	t.Setenv("NO_COLOR", "1")
	if got := paint(device, events.StateAlive); got != "alive" {
		t.Errorf("NO_COLOR: %q", got)
	}
}

// mustAPI starts a server that responds to one path, with a file of testdata or, if file is empty, with "ok". It responds to other paths
// with 404.
func mustAPI(t testing.TB, path string, status int, file string) *httptest.Server {
	t.Helper()
	body := []byte("ok\n")
	if file != "" {
		var err error
		if body, err = os.ReadFile(filepath.Join("testdata", file)); err != nil {
			t.Fatal(err)
		}
	}
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if status != http.StatusOK {
			w.Header().Set("Content-Type", "application/problem+json")
		}
		if r.URL.Path != path {
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(http.StatusNotFound)
			_, _ = w.Write([]byte(`{"type":"about:blank","title":"Not Found","status":404,"detail":"no such server"}`))
			return
		}
		w.WriteHeader(status)
		_, _ = w.Write(body)
	}))
	t.Cleanup(api.Close)
	t.Cleanup(http.DefaultClient.CloseIdleConnections) // the commands use the transport of http.DefaultClient
	return api
}
