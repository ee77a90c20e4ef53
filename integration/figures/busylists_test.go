package figures

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"rollcall/integration/fixture"
	"rollcall/integration/harness"
)

const (
	listers       = 50
	listedServers = 20_000 // 4000 heartbeats per second
)

// BenchmarkListsUnderHeartbeats measures whether heartbeats go first: 50 clients request lists of 20 000 servers without a pause, while the
// servers send 4000 heartbeats per second. The aim is that heartbeats wait at most 100 ms in NSQ. No server may become suspect. Clients
// that the API server turns away with 503 send their next request after its Retry-After.
func BenchmarkListsUnderHeartbeats(b *testing.B) {
	n := harness.StartNSQD(b)
	a := startAPI(b, n)
	c := startCrowd(b, n.TCP, listedServers)
	c.awaitRegistered(b, a.APIServer)
	fixture.Sleep(growthSettle)
	for b.Loop() {
		l := startListers(b, a.Addr)
		cores, memory := a.use(b, 2*crowdInterval)
		l.stop(b)
		lags := c.lags(b, a.APIServer)
		b.ReportMetric(cores, "cores")
		b.ReportMetric(memory, "MB")
		b.ReportMetric(lags[len(lags)*99/100], "lag-p99-ms")
		b.ReportMetric(lags[len(lags)-1], "lag-max-ms")
		b.ReportMetric(float64(l.lists.Load())/(2*crowdInterval).Seconds(), "lists/s")
		b.ReportMetric(float64(l.refused.Load())/(2*crowdInterval).Seconds(), "503/s")
	}
	c.noSuspects(b, a.APIServer)
	b.ReportMetric(0, "ns/op") // do not report ns/op, which would be the time of the whole measurement
}

// listerClients are clients that request lists of all servers.
type listerClients struct {
	lists, refused atomic.Int64
	client         *http.Client
	end            context.CancelFunc
	running        sync.WaitGroup
	failed         chan error // the first error
}

func startListers(b *testing.B, addr string) *listerClients {
	b.Helper()
	l := &listerClients{client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: listers, DisableCompression: true}}, failed: make(chan error, 1)}
	var ctx context.Context
	ctx, l.end = context.WithCancel(context.Background())
	for range listers {
		l.running.Go(func() {
			for ctx.Err() == nil {
				if err := l.list(ctx, addr); err != nil && ctx.Err() == nil {
					select {
					case l.failed <- err:
					default:
					}
					return
				}
			}
		})
	}
	b.Cleanup(l.end)
	return l
}

// stop ends the requests. It fails the benchmark if a request failed with another status than 503.
func (l *listerClients) stop(b *testing.B) {
	b.Helper()
	l.end()
	l.running.Wait()
	l.client.CloseIdleConnections()
	select {
	case err := <-l.failed:
		b.Error(err)
	default:
	}
}

func (l *listerClients) list(ctx context.Context, addr string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/v1/servers", nil)
	if err != nil {
		return err
	}
	resp, err := l.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return err
	}
	switch resp.StatusCode {
	case http.StatusOK:
		l.lists.Add(1)
		return nil
	case http.StatusServiceUnavailable:
		l.refused.Add(1)
		after, err := time.ParseDuration(resp.Header.Get("Retry-After") + "s")
		if err != nil {
			return errors.New("a 503 without Retry-After")
		}
		select {
		case <-time.After(after):
		case <-ctx.Done():
		}
		return nil
	}
	return fmt.Errorf("GET /v1/servers: %s", resp.Status)
}
