package nsqpubsub_test

import (
	"context"
	"io"
	"log"
	"slices"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/nsqio/go-nsq"

	"rollcall/pipeline/nsqpubsub"
)

// Each benchmark consumes b.N messages of 250 bytes from an nsqd in another process and reports the CPU time (user and system) of this
// process per message, in microseconds. BenchmarkHandler is the baseline: a handler of go-nsq's Consumer. Compare only results of the
// same run: go test -run=^$ -bench=. -benchtime=200000x.

const benchInFlight = 256

func BenchmarkHandler(b *testing.B) {
	benchmark(b, func(addr string, consumed func()) (stop func()) {
		conf := nsq.NewConfig()
		conf.MaxInFlight = benchInFlight
		conf.OutputBufferTimeout = 25 * time.Millisecond
		c, err := nsq.NewConsumer("t", "c", conf)
		if err != nil {
			b.Fatal(err)
		}
		c.SetLogger(log.New(io.Discard, "", 0), nsq.LogLevelError)
		c.AddConcurrentHandlers(nsq.HandlerFunc(func(*nsq.Message) error {
			consumed()
			return nil
		}), 1)
		if err := c.ConnectToNSQD(addr); err != nil {
			b.Fatal(err)
		}
		return func() {
			c.Stop()
			<-c.StopChan
		}
	})
}

func BenchmarkConsumer(b *testing.B) {
	for name, batch := range map[string]int{"single": 1, "batches of 64": 64} {
		b.Run(name, func(b *testing.B) { benchmarkConsumer(b, batch) })
	}
}

func benchmarkConsumer(b *testing.B, batch int) {
	benchmark(b, func(addr string, consumed func()) (stop func()) {
		c, err := nsqpubsub.NewConsumer(nsqpubsub.ConsumerConfig{
			Cluster: nsqpubsub.Cluster{NSQD: []string{addr}}, Topic: "t", Channel: "c", MaxInFlight: benchInFlight, Batch: batch,
		})
		if err != nil {
			b.Fatal(err)
		}
		ctx, cancel := context.WithCancel(b.Context())
		ended := make(chan error, 1)
		go func() {
			ended <- c.RunBatches(ctx, func(_ context.Context, batch []nsqpubsub.Delivery) error {
				for range batch {
					consumed()
				}
				return nil
			})
		}()
		return func() {
			cancel()
			<-ended
		}
	})
}

func BenchmarkSubscriber(b *testing.B) {
	benchmark(b, func(addr string, consumed func()) (stop func()) {
		s := benchSubscriber(b, addr)
		messages := mustSubscribe(b, s, b.Context())
		go func() {
			for m := range messages {
				consumed()
				m.Ack()
			}
		}()
		return func() { _ = s.Close() }
	})
}

func BenchmarkRouter(b *testing.B) {
	benchmark(b, func(addr string, consumed func()) (stop func()) {
		router, err := message.NewRouter(message.RouterConfig{}, nil)
		if err != nil {
			b.Fatal(err)
		}
		router.AddConsumerHandler("bench", "t", benchSubscriber(b, addr), func(*message.Message) error {
			consumed()
			return nil
		})
		ended := make(chan error, 1)
		go func() { ended <- router.Run(b.Context()) }()
		return func() {
			_ = router.Close()
			<-ended
		}
	})
}

func benchSubscriber(b *testing.B, addr string) *nsqpubsub.Subscriber {
	b.Helper()
	return mustSubscriber(b, nsqpubsub.SubscriberConfig{ConsumerConfig: nsqpubsub.ConsumerConfig{
		Cluster: nsqpubsub.Cluster{NSQD: []string{addr}}, Channel: "c", MaxInFlight: benchInFlight,
	}})
}

// BenchmarkPublish publishes messages by commands of 1, 10 and 1000 messages, and reports the time for each message.
func BenchmarkPublish(b *testing.B) {
	for _, batch := range []int{1, 10, 1000} {
		b.Run(strconv.Itoa(batch), func(b *testing.B) {
			n := mustNSQDProcess(b, "")
			p := mustProducer(b, nsqpubsub.ProducerConfig{Cluster: nsqpubsub.Cluster{NSQD: []string{n.TCPAddr()}}})
			bodies := slices.Repeat([][]byte{make([]byte, 250)}, batch)
			if err := p.PublishAll(b.Context(), "t", bodies); err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			b.ResetTimer()
			before := cpu(b)
			for sent := 0; sent < b.N; sent += batch {
				if err := p.PublishAll(b.Context(), "t", bodies); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric((cpu(b)-before).Seconds()*1e6/float64(b.N), "cpu-us/op")
		})
	}
}

// benchmark publishes b.N messages, calls start, and measures until all messages are consumed.
func benchmark(b *testing.B, start func(addr string, consumed func()) (stop func())) {
	n := mustNSQDProcessWithQueue(b, "", b.N+1)
	fill(b, n.TCPAddr(), b.N)
	var count atomic.Int64
	done := make(chan struct{})
	consumed := func() {
		if count.Add(1) == int64(b.N) {
			close(done)
		}
	}
	b.ReportAllocs()
	b.ResetTimer()
	before := cpu(b)
	stop := start(n.TCPAddr(), consumed)
	<-done
	b.StopTimer()
	b.ReportMetric((cpu(b)-before).Seconds()*1e6/float64(b.N), "cpu-us/op")
	stop()
}

func fill(b *testing.B, addr string, n int) {
	b.Helper()
	p, err := nsq.NewProducer(addr, nsq.NewConfig())
	if err != nil {
		b.Fatal(err)
	}
	p.SetLogger(nil, nsq.LogLevelError)
	defer p.Stop()
	body := make([]byte, 250)
	for n > 0 {
		batch := make([][]byte, min(n, 1000))
		for i := range batch {
			batch[i] = body
		}
		if err := p.MultiPublish("t", batch); err != nil {
			b.Fatal(err)
		}
		n -= len(batch)
	}
}

// cpu returns the CPU time that this process has used.
func cpu(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
