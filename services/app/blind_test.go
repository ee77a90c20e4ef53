package app_test

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/nsqio/nsq/nsqd"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"rollcall/integration/fixture"
	"rollcall/services/app"
	"rollcall/services/config"
	"rollcall/services/embednsq"
	"rollcall/services/registry"
)

func TestModeBlindNamesItsCause(t *testing.T) {
	lookupd := fixture.Lookupd(t)
	withAuth, err := embednsq.StartNSQD(embednsq.NSQDConfig{Tune: func(o *nsqd.Options) { o.AuthHTTPAddresses = []string{fixture.FreeAddr(t)} }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = withAuth.Stop() })
	plain := fixture.NSQD(t, embednsq.NSQDConfig{})
	for name, tt := range map[string]struct {
		set  func(*config.NSQ)
		want []string
	}{
		"nobody is nsqlookupd": {func(n *config.NSQ) { n.NSQD, n.Lookupd = nil, []string{fixture.FreeAddr(t)} },
			[]string{"no nsqd is known", "connection refused"}},
		"nsqlookupd's TCP port": {func(n *config.NSQ) { n.NSQD, n.Lookupd = nil, []string{lookupd.TCPAddr()} },
			[]string{"no nsqd is known", lookupd.TCPAddr(), "is this nsqlookupd's HTTP address?"}},
		"nsqd's HTTP port": {func(n *config.NSQ) { n.NSQD, n.Lookupd = nil, []string{plain.HTTPAddr()} },
			[]string{"no nsqd is known", "404 Not Found", "is this nsqlookupd's HTTP address?"}},
		"authorisation is refused": {func(n *config.NSQ) { n.NSQD = []string{withAuth.TCPAddr()} },
			[]string{"no nsqd is connected", withAuth.TCPAddr(), "not authorized"}},
		"no TLS": {func(n *config.NSQ) { n.TLS.Enabled = true },
			[]string{"no nsqd is connected", plain.TCPAddr(), "does not offer TLS"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := quick(plain.TCPAddr())
			tt.set(&cfg.NSQ)
			a := mustRun(t, cfg)
			fixture.Eventually(t, 10*time.Second, "blind", func() bool { return a.stats().Mode == registry.ModeBlind })
			for _, want := range tt.want {
				if detail := a.stats().ModeDetail; !strings.Contains(detail, want) {
					t.Errorf("the detail is %q, want %q in it", detail, want)
				}
			}
		})
	}
}

func TestModeBlindNamesPausedTopicOrChannel(t *testing.T) {
	for name, what := range map[string]string{
		"the topic":   "/topic/pause?topic=data_server_addr",
		"the channel": "/channel/pause?topic=data_server_addr&channel=",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			lookupd := fixture.Lookupd(t)
			nsqd := fixture.NSQD(t, embednsq.NSQDConfig{Lookupd: []string{lookupd.TCPAddr()}})
			cfg := quick("")
			cfg.NSQ.NSQD, cfg.NSQ.Lookupd = nil, []string{lookupd.HTTPAddr()}
			a := mustRun(t, cfg)
			fixture.Eventually(t, 10*time.Second, "normal", func() bool { return a.stats().Mode == registry.ModeNormal })
			if strings.HasSuffix(what, "=") {
				stats := mustGet(t, "http://"+nsqd.HTTPAddr()+"/stats?format=json&topic=data_server_addr")
				_, after, _ := strings.Cut(stats, `"channel_name":"`)
				channel, _, _ := strings.Cut(after, `"`)
				what += url.QueryEscape(channel)
			}
			resp, err := http.Post("http://"+nsqd.HTTPAddr()+what, "", nil)
			if err != nil || resp.StatusCode != http.StatusOK {
				t.Fatalf("pause: %v %v", resp, err)
			}
			_ = resp.Body.Close()
			fixture.Eventually(t, 15*time.Second, "the pause in the detail", func() bool {
				return strings.Contains(a.stats().ModeDetail, "paused at nsqd "+nsqd.HTTPAddr())
			})
			if detail := a.stats().ModeDetail; !strings.Contains(detail, strings.TrimPrefix(name, "the ")+" ") {
				t.Errorf("the detail is %q, want %s in it", detail, name)
			}
		})
	}
}

// An API server and an agent try to reach NSQ several times per second, but log the failures only once.
func TestLogIsBoundedWithoutBroker(t *testing.T) {
	lookupd := fixture.Lookupd(t)
	for name, lookup := range map[string]string{"refused": fixture.FreeAddr(t), "not HTTP": lookupd.TCPAddr(), "no nsqd": lookupd.HTTPAddr()} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			core, logs := observer.New(zap.WarnLevel)
			cfg := quick("")
			cfg.NSQ.NSQD, cfg.NSQ.Lookupd = nil, []string{lookup}
			a := mustRunLogging(t, cfg, zap.New(core))

			agentCore, agentLogs := observer.New(zap.WarnLevel)
			cfg.DataServer.Listen, cfg.DataServer.Interval, cfg.DataServer.TTL = "127.0.0.1:0", 100*time.Millisecond, time.Second
			s, err := app.NewDataServer(cfg, zap.New(agentCore))
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			ran := make(chan error, 1)
			go func() { ran <- s.Run(ctx) }()

			fixture.Eventually(t, 10*time.Second, "blind", func() bool { return a.stats().Mode == registry.ModeBlind })
			fixture.Eventually(t, 10*time.Second, "a failed event", func() bool {
				return logs.FilterMessageSnippet("messages cannot be published").Len() > 0
			})
			cancel()
			if err := <-ran; err == nil {
				t.Error("the leave was published")
			}
			_ = a.stop()
			if n := logs.Len(); n > 4 {
				t.Errorf("%d lines of the API server, want at most 4", n)
			}
			for _, line := range append(logs.All(), agentLogs.All()...) {
				if text := line.Message + " " + line.Entry.Caller.String(); strings.Contains(text, "0x") {
					t.Errorf("a pointer in %q", text)
				}
			}
			lines := agentLogs.FilterMessageSnippet("heartbeats are not published").All()
			if len(lines) != 1 || agentLogs.Len() != 1 || !strings.Contains(lines[0].ContextMap()["error"].(string), "nsqlookupd "+lookup) {
				t.Errorf("the agent logged %+v, want one line that says what nsqlookupd answered", agentLogs.All())
			}
			for _, line := range logs.All() {
				t.Logf("%s %v", line.Message, line.ContextMap())
			}
		})
	}
}
