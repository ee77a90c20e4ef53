package demo_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"

	"rollcall/integration/fixture"
	"rollcall/services/apiserver"
	"rollcall/services/demo"
)

func TestDemoRunsAllServers(t *testing.T) {
	for name, servers := range map[string]int{"three servers": 3, "none": 0, "five": 5, "fifty": 50} {
		t.Run(name, func(t *testing.T) {
			leftNothing := fixture.WatchLeaks(t, fixture.LeakOptions()...)
			cfg := anywhere()
			cfg.Servers = servers
			out, stop := mustDemo(t, cfg)
			fixture.Eventually(t, 10*time.Second, "banner", func() bool { return strings.Contains(out.String(), "as they happen:\n") })

			addrs := regexp.MustCompile(`127\.0\.0\.1:\d+`).FindAllString(out.row(t, "data servers"), -1)
			if len(addrs) != servers {
				t.Errorf("the banner has %d data servers, want %d:\n%s", len(addrs), servers, out)
			}
			api := strings.TrimPrefix(out.row(t, "API"), "http://")
			addrs = append(addrs, api, strings.TrimPrefix(out.row(t, "proxy"), "http://"))
			for _, row := range []string{"nsqd 1", "nsqd 2", "nsqlookupd"} {
				var tcp, http string
				if _, err := fmt.Sscanf(out.row(t, row), "tcp %s http %s", &tcp, &http); err != nil {
					t.Errorf("row %s: %v in\n%s", row, err, out)
				}
				addrs = append(addrs, tcp, http)
			}
			for _, addr := range addrs {
				conn, err := net.Dial("tcp", addr)
				if err != nil {
					t.Errorf("the banner has %s: %v", addr, err)
					continue
				}
				_ = conn.Close()
			}

			client := mustClient(t, api)
			fixture.Eventually(t, 3*time.Second, "servers listed", func() bool {
				list, err := client.Servers(t.Context(), apiserver.Query{State: "alive"})
				return servers == 0 || err == nil && len(list.Servers) == servers
			})
			for i := range servers {
				line := fmt.Sprintf("registered  data/demo-%d ", i+1)
				fixture.Eventually(t, 5*time.Second, line, func() bool { return strings.Contains(out.String(), line) })
			}
			begun := time.Now()
			if err := stop(); err != nil {
				t.Error(err)
			}
			if took := time.Since(begun); took > 10*time.Second {
				t.Errorf("the stop took %v", took)
			}
			leftNothing()
		})
	}
}

func TestBannerCommandsNameThePorts(t *testing.T) {
	out, stop := mustDemo(t, anywhere())
	fixture.Eventually(t, 10*time.Second, "banner", func() bool { return strings.Contains(out.String(), "as they happen:\n") })
	api := strings.TrimPrefix(out.row(t, "API"), "http://")
	_, nsqd, _ := strings.Cut(out.row(t, "nsqd 1"), "http ")
	_, lookupd, _ := strings.Cut(out.row(t, "nsqlookupd"), "http ")
	for _, want := range []string{
		"rollcall ls --api " + api + "\n",
		"curl " + out.row(t, "proxy") + "/data/hello ",
		"'http://" + nsqd + "/pub?topic=data_server_addr'",
		"rollcall dataserver --nsq.lookupd " + lookupd + " --dataserver.listen 127.0.0.1:0 ",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}

func TestDemoProxyUsesServersInTurn(t *testing.T) {
	out, stop := mustDemo(t, anywhere())
	fixture.Eventually(t, 10*time.Second, "banner", func() bool { return strings.Contains(out.String(), "as they happen:\n") })
	get := func() string {
		resp, err := http.Get(out.row(t, "proxy") + "/data/hello")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if body, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != http.StatusOK {
			return fmt.Sprint(resp.Status, err, string(body))
		}
		return resp.Header.Get("X-Served-By")
	}
	fixture.Eventually(t, 5*time.Second, "three servers in three answers, and in the three after them", func() bool {
		seen := make(map[string]int)
		for range 6 {
			seen[get()]++
		}
		return seen["demo-1"] == 2 && seen["demo-2"] == 2 && seen["demo-3"] == 2
	})
	http.DefaultClient.CloseIdleConnections()
	if err := stop(); err != nil {
		t.Error(err)
	}
}

func TestDemoReportsPortInUse(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for name, take := range map[string]func(*demo.Config, string){
		"proxy":           func(c *demo.Config, addr string) { c.Proxy = addr },
		"API":             func(c *demo.Config, addr string) { c.API = addr },
		"nsqlookupd HTTP": func(c *demo.Config, addr string) { c.LookupdHTTP = addr },
		"nsqlookupd TCP":  func(c *demo.Config, addr string) { c.LookupdTCP = addr },
		"nsqd":            func(c *demo.Config, addr string) { c.NSQDTCP = addr },
		"data server":     func(c *demo.Config, addr string) { c.DataServer, c.Servers = addr, 1 },
	} {
		t.Run(name, func(t *testing.T) {
			leftNothing := fixture.WatchLeaks(t, fixture.LeakOptions()...)
			cfg := anywhere()
			take(&cfg, taken.Addr().String())
			var out output
			err := demo.Run(t.Context(), cfg, &out, zap.NewNop())
			if err == nil || !strings.Contains(err.Error(), taken.Addr().String()) || !strings.Contains(err.Error(), "in use") {
				t.Errorf("got %v, want one that names %s", err, taken.Addr())
			}
			if out.String() != "" {
				t.Errorf("got output %q", &out)
			}
			leftNothing()
		})
	}
}

func TestInvalidDemoConfig(t *testing.T) {
	cfg := demo.Config{Servers: -1, API: "x", LookupdHTTP: "127.0.0.1:0", LookupdTCP: "127.0.0.1:0", NSQDTCP: "y", DataServer: "127.0.0.1:0"}
	want := `--servers -1: want 0 to 1000
--nsqd 0: want 1 to 100
--api "x": want host:port
--proxy "": want host:port or off
--nsqd-tcp "y": want host:port`
	if err := demo.Run(t.Context(), cfg, &output{}, zap.NewNop()); err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
	byDefault := demo.DefaultConfig()
	if err := byDefault.Validate(); err != nil {
		t.Error(err)
	}
	byDefault.Proxy = "off"
	if err := byDefault.Validate(); err != nil {
		t.Error(err)
	}
	byDefault.Proxy = ":4180"
	if err := byDefault.Validate(); err == nil || err.Error() != `--proxy ":4180": want another port than --api "127.0.0.1:4180"` {
		t.Errorf("got %v, want that both take one port", err)
	}
}

// anywhere returns the default configuration with ports that the system chooses.
func anywhere() demo.Config {
	cfg := demo.DefaultConfig()
	for _, addr := range []*string{&cfg.API, &cfg.Proxy, &cfg.LookupdHTTP, &cfg.LookupdTCP, &cfg.NSQDTCP, &cfg.DataServer} {
		*addr = "127.0.0.1:0"
	}
	return cfg
}

// mustDemo runs a demo until stop is called. The function stop returns the error of the demo.
func mustDemo(t testing.TB, cfg demo.Config) (out *output, stop func() error) {
	t.Helper()
	out = &output{}
	ctx, cancel := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() { ran <- demo.Run(ctx, cfg, out, zap.NewNop()) }()
	stop = sync.OnceValue(func() error {
		cancel()
		return <-ran
	})
	t.Cleanup(func() { _ = stop() })
	return out, stop
}

// output is a buffer that is safe for concurrent use.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// row returns the value of a row of the banner.
func (o *output) row(t testing.TB, name string) string {
	t.Helper()
	for line := range strings.Lines(o.String()) {
		if value, ok := strings.CutPrefix(line, "  "+name+" "); ok {
			return strings.TrimSpace(value)
		}
	}
	t.Fatalf("no row %q in\n%s", name, o)
	return ""
}
