package figures

import (
	"net"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"rollcall/integration/fixture"
	"rollcall/integration/harness"
)

// openLoop sends requests at a fixed rate, whether or not the proxy has responded to the requests before. A latency begins when the request
// was due, not when it was sent. So a proxy that stops for a while cannot hide the requests that wait meanwhile.
type openLoop struct {
	due  chan time.Time // when each request is to be sent; has space for all requests, so that pace never waits
	mu   sync.Mutex
	took []time.Duration // latencies of the requests that were due after the warm-up
}

// latencies compares the contenders by their latency at the same rate, in requests per second. For each percentile it reports the median of
// the rounds, because other load on the machine can spoil a round.
func latencies(b *testing.B, contenders []contender, rate float64, clientOf func(contender) *loadClient) {
	b.Helper()
	b.ReportMetric(rate, "latency-at-req/s")
	of := make(map[string][]float64) // by unit, one value for each round
	for range proxyRounds {
		for _, c := range contenders {
			took := runOpenLoop(b, clientOf(c), rate)
			slices.Sort(took)
			for name, share := range map[string]float64{"p50": .5, "p99": .99, "p99.9": .999} {
				unit := c.name + "-" + name + "-us"
				of[unit] = append(of[unit], float64(took[int(share*float64(len(took)-1))].Microseconds()))
			}
		}
	}
	for unit, values := range of {
		b.ReportMetric(harness.Median(values), unit)
	}
}

// runOpenLoop runs one round, and returns the latencies in it.
func runOpenLoop(b *testing.B, h *loadClient, rate float64) []time.Duration {
	b.Helper()
	interval := time.Duration(float64(time.Second) / rate)
	requests := int((proxyWarm + proxySpan) / interval)
	o := &openLoop{due: make(chan time.Time, requests)}
	begun := time.Now().Add(10 * time.Millisecond) // time to open the connections
	h.start(b, func(conn net.Conn) error { return o.send(h, conn, begun.Add(proxyWarm)) })
	pace(o.due, begun, interval, requests)
	if err := h.ran.Wait(); err != nil {
		b.Fatal(err)
	}
	return o.took
}

// pace passes on the time of each request when it is due, and closes the channel after the last.
func pace(due chan<- time.Time, begun time.Time, interval time.Duration, requests int) {
	defer close(due)
	for i := range requests {
		at := begun.Add(time.Duration(i) * interval)
		sleepUntil(at)
		due <- at
	}
}

// send sends the requests that are due, one after the other, on one connection.
func (o *openLoop) send(h *loadClient, conn net.Conn, counted time.Time) error {
	buf := make([]byte, 32<<10)
	var took []time.Duration
	for at := range o.due {
		if err := h.exchange(conn, buf); err != nil {
			return err
		}
		if at.After(counted) {
			took = append(took, time.Since(at))
		}
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.took = append(o.took, took...)
	return nil
}

// The server stops for a while. Every request that is due meanwhile must have a long latency, although a single connection sends them later.
func TestOpenLoopCountsWaitingRequests(t *testing.T) {
	const stall, requests = 200 * time.Millisecond, 100
	begun := time.Now()
	addr := fixture.Serve(t, func(c net.Conn) {
		buf := make([]byte, 4<<10)
		for {
			if _, err := c.Read(buf); err != nil {
				return
			}
			fixture.Sleep(time.Until(begun.Add(stall)))
			_, _ = c.Write([]byte("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx"))
		}
	})
	conn, err := net.Dial("tcp", addr)
	fixture.Must(t, err)
	defer conn.Close()
	o := &openLoop{due: make(chan time.Time, requests)}
	sent := make(chan error, 1)
	go func() { sent <- o.send(newLoadClient(addr, http.MethodGet, "/", 0, 1), conn, time.Time{}) }()
	pace(o.due, begun, stall/2/requests, requests)
	fixture.Must(t, <-sent)
	if len(o.took) != requests || slices.Min(o.took) < stall/2 {
		t.Errorf("%d latencies, the shortest is %v; want %d of at least %v", len(o.took), slices.Min(o.took), requests, stall/2)
	}
}
