package embednsq_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nsqio/nsq/nsqd"
	"go.uber.org/goleak"

	"rollcall/integration/fixture"
	"rollcall/services/embednsq"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestNSQDAcceptsConnectionsAfterStart(t *testing.T) {
	n := fixture.NSQD(t, embednsq.NSQDConfig{})
	if got := get(t, n.HTTPAddr(), "/ping"); got != "OK" {
		t.Errorf("ping: got %q, want OK", got)
	}
	conn, err := net.Dial("tcp", n.TCPAddr())
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.Close()
}

func TestPortInUseIsNamedAndOtherPortReleased(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = taken.Close() })
	free := fixture.FreeAddr(t)

	starts := map[string]func() error{
		"nsqd": func() error {
			_, err := embednsq.StartNSQD(embednsq.NSQDConfig{TCPAddress: free, HTTPAddress: taken.Addr().String()})
			return err
		},
		"nsqlookupd": func() error {
			_, err := embednsq.StartLookupd(embednsq.LookupdConfig{TCPAddress: free, HTTPAddress: taken.Addr().String()})
			return err
		},
	}
	for name, start := range starts {
		t.Run(name, func(t *testing.T) {
			err := start()
			if err == nil || !strings.Contains(err.Error(), taken.Addr().String()) {
				t.Errorf("got error %v, want one that names %s", err, taken.Addr())
			}
			again, err := net.Listen("tcp", free)
			if err != nil {
				t.Fatalf("the first port is still in use: %v", err)
			}
			_ = again.Close()
		})
	}
}

func TestDataPathInUseIsAnError(t *testing.T) {
	dir := t.TempDir()
	fixture.NSQD(t, embednsq.NSQDConfig{DataPath: dir})
	if _, err := embednsq.StartNSQD(embednsq.NSQDConfig{DataPath: dir}); err == nil || !strings.Contains(err.Error(), dir) {
		t.Errorf("got error %v, want one that names %s", err, dir)
	}
}

func TestMessagesSurviveRestart(t *testing.T) {
	cfg := embednsq.NSQDConfig{DataPath: t.TempDir()}
	n := fixture.NSQD(t, cfg)
	post(t, n.HTTPAddr(), "/topic/create?topic=t", "")
	post(t, n.HTTPAddr(), "/channel/create?topic=t&channel=c", "")
	post(t, n.HTTPAddr(), "/pub?topic=t", "hello")
	cfg.TCPAddress, cfg.HTTPAddress = n.TCPAddr(), n.HTTPAddr()
	mustStop(t, n.Stop)

	n = fixture.NSQD(t, cfg)
	fixture.Eventually(t, 5*time.Second, "the messages are in the channel", func() bool {
		return strings.Contains(get(t, n.HTTPAddr(), "/stats?format=json&topic=t"), `"message_count":0`) &&
			strings.Contains(get(t, n.HTTPAddr(), "/stats?format=json&topic=t"), `"depth":1`)
	})
}

func TestTemporaryDataPathIsRemoved(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	n := fixture.NSQD(t, embednsq.NSQDConfig{})
	mustStop(t, n.Stop)
	left, err := os.ReadDir(os.TempDir())
	if err != nil || len(left) != 0 {
		t.Errorf("left in the temporary directory: %v, %v", left, err)
	}
}

func TestNodeID(t *testing.T) {
	for name, configured := range map[string]int64{"default: from the TCP port": 0, "as configured": 7} {
		t.Run(name, func(t *testing.T) {
			var opts *nsqd.Options
			n := fixture.NSQD(t, embednsq.NSQDConfig{NodeID: configured, Tune: func(o *nsqd.Options) { opts = o }})
			want := configured
			if want == 0 {
				want = int64(netip.MustParseAddrPort(n.TCPAddr()).Port() % 1024)
			}
			if opts.ID != want {
				t.Errorf("got node ID %d, want %d", opts.ID, want)
			}
		})
	}
}

func TestLookupdListsNSQDUntilStop(t *testing.T) {
	l := fixture.Lookupd(t)
	n := fixture.NSQD(t, embednsq.NSQDConfig{Lookupd: []string{l.TCPAddr()}})
	fixture.Eventually(t, 5*time.Second, "nsqlookupd lists the nsqd", func() bool { return len(nodes(t, l)) == 1 })
	if got := nodes(t, l)[0]; got != n.TCPAddr() {
		t.Errorf("nsqlookupd lists %s, want %s", got, n.TCPAddr())
	}
	mustStop(t, n.Stop)
	fixture.Eventually(t, 5*time.Second, "nsqlookupd lists no nsqd", func() bool { return len(nodes(t, l)) == 0 })
}

func TestStopIsIdempotent(t *testing.T) {
	n, l := fixture.NSQD(t, embednsq.NSQDConfig{}), fixture.Lookupd(t)
	for range 3 {
		mustStop(t, n.Stop)
		mustStop(t, l.Stop)
	}
}

func TestStopEndsInTimeWithASilentClient(t *testing.T) {
	n, err := embednsq.StartNSQD(embednsq.NSQDConfig{}) // not by fixture.NSQD, which would fail the test if Stop returns an error
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", n.TCPAddr())
	if err != nil {
		t.Fatal(err)
	}
	// nsqd counts this client only after it has accepted the connection.
	accepted := time.Now()
	for time.Since(accepted) < 50*time.Millisecond {
		get(t, n.HTTPAddr(), "/ping")
	}
	start := time.Now()
	if err := n.Stop(); err == nil {
		t.Error("Stop returned no error although nsqd still waits for a client")
	}
	if took := time.Since(start); took > 8*time.Second {
		t.Errorf("stop took %v", took)
	}
	_ = conn.Close()
}

func TestLogLinesCarryTheirLevel(t *testing.T) {
	var infos, bad atomic.Int32
	n := fixture.NSQD(t, embednsq.NSQDConfig{Logf: func(level, msg string) {
		if level == "INFO" && !strings.HasPrefix(msg, "INFO") {
			infos.Add(1)
		} else {
			bad.Add(1)
		}
	}})
	mustStop(t, n.Stop)
	if infos.Load() == 0 || bad.Load() != 0 {
		t.Errorf("got %d lines of level INFO and %d others", infos.Load(), bad.Load())
	}
}

func mustStop(t *testing.T, stop func() error) {
	t.Helper()
	if err := stop(); err != nil {
		t.Fatal(err)
	}
}

func client() *http.Client {
	return &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
}

func get(t *testing.T, addr, path string) string {
	t.Helper()
	resp, err := client().Get("http://" + addr + path)
	if err != nil {
		t.Fatal(err)
	}
	return body(t, resp)
}

func post(t *testing.T, addr, path, payload string) {
	t.Helper()
	resp, err := client().Post("http://"+addr+path, "text/plain", bytes.NewBufferString(payload))
	if err != nil {
		t.Fatal(err)
	}
	if got := body(t, resp); resp.StatusCode != http.StatusOK {
		t.Fatalf("POST %s: %s %s", path, resp.Status, got)
	}
}

func body(t *testing.T, resp *http.Response) string {
	t.Helper()
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func nodes(t *testing.T, l *embednsq.Lookupd) []string {
	t.Helper()
	var answer struct {
		Producers []struct {
			Host string `json:"broadcast_address"`
			Port int    `json:"tcp_port"`
		} `json:"producers"`
	}
	if err := json.Unmarshal([]byte(get(t, l.HTTPAddr(), "/nodes")), &answer); err != nil {
		t.Fatal(err)
	}
	var addrs []string
	for _, p := range answer.Producers {
		addrs = append(addrs, net.JoinHostPort(p.Host, fmt.Sprint(p.Port)))
	}
	return addrs
}
