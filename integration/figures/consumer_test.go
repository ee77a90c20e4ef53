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
	consumerRounds  = 5
	consumerServers = 1000
	queued          = 100_000 // messages of a round that an nsqd has ready
	paced           = 45_000  // messages of a round that arrive at pacedRate
	pacedRate       = 15_000  // messages per second
)

// BenchmarkConsumerCPU compares the CPU time per heartbeat of two consumers, and of the nsqd that serves them. The consumers are the whole
// pipeline, and a bare go-nsq handler that writes to a map under a mutex. They run in turns in this process; each nsqd is a process of its
// own. "queued" has all messages ready in nsqd, so that the consumers work at full load, and nsqd only delivers. In "paced" another process
// publishes 15 000 messages per second, 15 at a time. There are more wake-ups for fewer messages, and nsqd's CPU time includes what it
// receives.
func BenchmarkConsumerCPU(b *testing.B) {
	for _, load := range []struct {
		name     string
		messages int
		publish  func(b *testing.B, n *harness.Daemon)
	}{{"queued", queued, publishQueued}, {"paced", paced, publishPaced}} {
		b.Run(load.name, func(b *testing.B) {
			for b.Loop() {
				var bare, pipeline consumerCosts
				for range consumerRounds {
					bare.measure(b, load.messages, load.publish, consumeBare)
					pipeline.measure(b, load.messages, load.publish, consumePipeline)
				}
				bare.report(b, "bare")
				pipeline.report(b, "pipeline")
				b.ReportMetric(harness.Median(pipeline.consumer)/harness.Median(bare.consumer), "ratio")
				b.ReportMetric(harness.Median(pipeline.nsqd)/harness.Median(bare.nsqd), "nsqd-ratio")
			}
			b.ReportMetric(0, "ns/op") // do not report ns/op, which would be the time of all rounds
		})
	}
}

// consumerCosts holds the CPU time per message of each round, in microseconds.
type consumerCosts struct{ consumer, nsqd []float64 }

// measure starts an nsqd, calls publish, and measures the function consume, which consumes the given number of messages.
func (c *consumerCosts) measure(b *testing.B, messages int, publish func(*testing.B, *harness.Daemon), consume consumeFunc) {
	b.Helper()
	n := harness.StartNSQD(b)
	defer n.Terminate()
	publish(b, n)
	nsqd, ok := cpuOf(n.Cmd.Process.Pid)
	if !ok {
		b.Skip("needs /proc for the CPU time of another process")
	}
	own := cpuTime(b)
	consume(b, n.TCP, messages)
	ownAfter := cpuTime(b) // before cpuOf, which reads all of /proc
	nsqdAfter, _ := cpuOf(n.Cmd.Process.Pid)
	c.consumer = append(c.consumer, float64((ownAfter-own).Microseconds())/float64(messages))
	c.nsqd = append(c.nsqd, float64((nsqdAfter-nsqd).Microseconds())/float64(messages))
}

func (c *consumerCosts) report(b *testing.B, name string) {
	b.ReportMetric(harness.Median(c.consumer), name+"-us/beat")
	b.ReportMetric(harness.Median(c.nsqd), "nsqd-"+name+"-us/beat")
}

func publishQueued(b *testing.B, n *harness.Daemon) {
	harness.PublishAll(b, n.HTTP, events.HeartbeatTopic, queued, func(i int) []byte { return consumerHeartbeat(i) })
}

func publishPaced(b *testing.B, n *harness.Daemon) {
	harness.StartChild(b, harness.ChildCommand(b, "pacer", pacerSpec{NSQD: n.TCP, Messages: paced, Rate: pacedRate}))
}

// consumerHeartbeat returns the heartbeat with number i. It has the longest TTL, so that no heartbeat becomes stale.
func consumerHeartbeat(i int) []byte {
	return harness.Heartbeat(i%consumerServers, 1+i/consumerServers, events.MaxLease.Milliseconds())
}

type consumeFunc func(b *testing.B, nsqd string, messages int)

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
		fixture.Sleep(50 * time.Millisecond) // the CPU time of this process includes that of the query
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
