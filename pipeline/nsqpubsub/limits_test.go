package nsqpubsub_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nsqio/nsq/nsqd"

	"rollcall/integration/fixture"
	"rollcall/pipeline/nsqpubsub"
	"rollcall/services/embednsq"
)

func TestConnectWithinLimitsOfNSQD(t *testing.T) {
	for name, tt := range map[string]struct {
		tune  func(*nsqd.Options)
		quiet bool   // whether the default settings are within nsqd's limits, so that nothing is logged
		want  string // text that the log message must contain
	}{
		"none":                              {tune: func(*nsqd.Options) {}, quiet: true},
		"--min-output-buffer-timeout=100ms": {tune: func(o *nsqd.Options) { o.MinOutputBufferTimeout = 100 * time.Millisecond }, want: "output buffer timeout"},
		"--min-output-buffer-timeout=1s":    {tune: func(o *nsqd.Options) { o.MinOutputBufferTimeout = time.Second }, want: "output buffer timeout"},
		"--max-output-buffer-timeout=10ms":  {tune: func(o *nsqd.Options) { o.MaxOutputBufferTimeout = 10 * time.Millisecond }, want: "output buffer timeout"},
		"--max-heartbeat-interval=3s":       {tune: func(o *nsqd.Options) { o.MaxHeartbeatInterval = 3 * time.Second }, want: "heartbeat interval"},
		"--max-heartbeat-interval=500ms":    {tune: func(o *nsqd.Options) { o.MaxHeartbeatInterval = 500 * time.Millisecond }, want: "heartbeat interval"},
		"--max-output-buffer-size=1024":     {tune: func(o *nsqd.Options) { o.MaxOutputBufferSize = 1024 }, want: "output buffer size"},
		"--max-output-buffer-size=32":       {tune: func(o *nsqd.Options) { o.MaxOutputBufferSize = 32 }, want: "output buffer size"},
		"three limits together": {tune: func(o *nsqd.Options) {
			o.MinOutputBufferTimeout, o.MaxHeartbeatInterval, o.MaxOutputBufferSize = 100*time.Millisecond, 3*time.Second, 1024
		}, want: "output buffer"},
	} {
		t.Run(name, func(t *testing.T) {
			n := fixture.NSQD(t, embednsq.NSQDConfig{Tune: tt.tune})
			cluster := nsqpubsub.Cluster{NSQD: []string{n.TCPAddr()}}
			log := &lines{}
			c := mustRun(t, nsqpubsub.ConsumerConfig{Cluster: cluster, Logger: log})
			p := mustProducer(t, nsqpubsub.ProducerConfig{Cluster: cluster})
			mustPublish(t, p, "a")
			fixture.Eventually(t, 3*time.Second, "the message arrives", func() bool { return c.has("a") })
			c.Reconnect(n.TCPAddr())
			fixture.Eventually(t, 3*time.Second, "both connections are logged", func() bool { return log.count("connected to nsqd") == 2 })
			const warning = "nsqd does not allow the default settings"
			if tt.quiet {
				if got := log.count(warning); got != 0 {
					t.Errorf("%d warnings, want none: %q", got, log.all())
				}
				return
			}
			if got := log.count(warning); got != 1 || log.count(tt.want) != 1 {
				t.Errorf("got %q, want one warning that names the %s", log.all(), tt.want)
			}
		})
	}
}

func TestHeartbeatIntervalIsLoweredToLimit(t *testing.T) {
	for limit, want := range map[time.Duration]time.Duration{
		60 * time.Second: 5 * time.Second, 4 * time.Second: 4 * time.Second, 3900 * time.Millisecond: 3 * time.Second,
		time.Second: time.Second,
	} {
		t.Run(fmt.Sprint(limit), func(t *testing.T) {
			n := fixture.NSQD(t, embednsq.NSQDConfig{Tune: func(o *nsqd.Options) { o.MaxHeartbeatInterval = limit }})
			p := fixture.NewLink(t, n.TCPAddr())
			c := mustRun(t, nsqpubsub.ConsumerConfig{Cluster: nsqpubsub.Cluster{NSQD: []string{p.Addr}}})
			fixture.Eventually(t, 3*time.Second, "connected", func() bool { return c.connected(p.Addr) })
			sent, mark := p.Sent(), `"heartbeat_interval":`
			last := sent[strings.LastIndex(sent, mark)+len(mark):]
			if !strings.HasPrefix(last, fmt.Sprint(want.Milliseconds())+",") {
				t.Errorf("requested %.6s ms, want %v", last, want)
			}
		})
	}
}

func TestInvalidResponseToIdentify(t *testing.T) {
	for name, response := range map[string][]byte{
		"empty response":                 frame(responseFrame, ""),
		"negative size":                  {0xff, 0xff, 0xff, 0xff},
		"frame without type":             {0, 0, 0, 2, 0, 0},
		"unknown error":                  frame(errorFrame, "E_BAD_BODY IDENTIFY colour (red) is invalid"),
		"truncated JSON":                 frame(responseFrame, "{"),
		"HTTP":                           []byte("HTTP"),
		"the same limit for every value": frame(errorFrame, "E_BAD_BODY IDENTIFY heartbeat interval (5000) is invalid"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := mustFakeNSQD(t, response)
			cluster := nsqpubsub.Cluster{NSQD: []string{f.addr}}
			p := mustProducer(t, nsqpubsub.ProducerConfig{Cluster: cluster})
			if err := p.Publish(t.Context(), "t", []byte("x")); err == nil {
				t.Error("Publish returned no error")
			}
			fixture.Eventually(t, 2*time.Second, "a connection is tried", func() bool {
				n, _ := f.connections()
				return n > 0
			})
			if n, after := f.connections(); n > 20 || after != "" {
				t.Errorf("%d connections, and %q after IDENTIFY", n, after)
			}
		})
	}
}
