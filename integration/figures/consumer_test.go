package figures

import (
	"context"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/nsqio/go-nsq"
	"go.uber.org/zap"

	"rollcall/events"
	"rollcall/integration/fixture"
	"rollcall/integration/harness"
	"rollcall/services/app"
	"rollcall/services/config"
)

const (
	benchMessages = 100_000
	benchServers  = 1000
	benchRounds   = 5
)

// BenchmarkConsumerCPU compares the CPU time per heartbeat of two consumers, which run in turns in this process: the whole pipeline, and a
// bare go-nsq handler that writes to a map under a mutex. An nsqd in another process has all messages ready, so both consumers work at full
// load.
func BenchmarkConsumerCPU(b *testing.B) {
	for b.Loop() {
		var bare, full []float64
		for range benchRounds {
			bare = append(bare, cpuPerMessage(b, consumeBare))
			full = append(full, cpuPerMessage(b, consumePipeline))
		}
		b.ReportMetric(harness.Median(bare), "bare-us/beat")
		b.ReportMetric(harness.Median(full), "pipeline-us/beat")
		b.ReportMetric(harness.Median(full)/harness.Median(bare), "ratio")
	}
}

type consumeFunc func(b *testing.B, nsqd string, messages int)

func cpuPerMessage(b *testing.B, consume consumeFunc) float64 {
	b.Helper()
	n := harness.StartNSQD(b)
	defer n.Terminate()
	harness.PublishAll(b, n.HTTP, events.HeartbeatTopic, benchMessages, func(i int) []byte {
		return harness.Heartbeat(i%benchServers, 1+i/benchServers, events.MaxLease.Milliseconds()) // the longest TTL, so that no heartbeat becomes stale
	})
	before := cpuTime(b)
	consume(b, n.TCP, benchMessages)
	return float64((cpuTime(b) - before).Microseconds()) / benchMessages
}

// consumeBare is a minimal consumer with the same settings as the pipeline.
func consumeBare(b *testing.B, addr string, messages int) {
	cfg := nsq.NewConfig()
	cfg.MaxInFlight = 256
	cfg.OutputBufferTimeout = 25 * time.Millisecond
	c, err := nsq.NewConsumer(events.HeartbeatTopic, "bare#ephemeral", cfg)
	if err != nil {
		b.Fatal(err)
	}
	c.SetLoggerLevel(nsq.LogLevelError)
	var mu sync.Mutex
	seen := make(map[string]time.Time)
	var n atomic.Int64
	done := make(chan struct{})
	c.AddConcurrentHandlers(nsq.HandlerFunc(func(m *nsq.Message) error {
		mu.Lock()
		seen[string(m.Body[44:80])] = time.Now()
		mu.Unlock()
		if n.Add(1) == int64(messages) {
			close(done)
		}
		return nil
	}), 256)
	if err := c.ConnectToNSQD(addr); err != nil {
		b.Fatal(err)
	}
	<-done
	c.Stop()
	<-c.StopChan
}

func consumePipeline(b *testing.B, addr string, messages int) {
	cfg := config.Default()
	cfg.ID = "bench"
	cfg.API.Listen, cfg.Proxy.Listen = "127.0.0.1:0", "127.0.0.1:0"
	cfg.NSQ.Lookupd, cfg.NSQ.NSQD = nil, []string{addr}
	a, err := app.ListenAPIServer(cfg, zap.NewNop())
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() { ran <- a.Run(ctx) }()
	fixture.Eventually(b, time.Minute, "every heartbeat is applied", func() bool {
		st, err := a.Registry().Stats(ctx)
		fixture.Must(b, err)
		return st.Heartbeats["taken"]+st.Heartbeats["outdated"] >= uint64(messages)
	})
	cancel()
	if err := <-ran; err != nil {
		b.Fatal(err)
	}
}

func cpuTime(tb testing.TB) time.Duration {
	tb.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		tb.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
