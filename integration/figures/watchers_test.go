package figures

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"rollcall/integration/fixture"
	"rollcall/integration/harness"
)

const (
	watchers        = 1000
	watchedServers  = 2000
	watchedRestarts = 4               // restarts per second
	watchedSettle   = 2 * time.Second // time without restarts, in which the last responses arrive; not measured
)

// BenchmarkWatchers measures the CPU time of an API server whose clients watch: each of 1000 clients waits by long polls for changes of one
// of 20 services. There are 2000 servers, and four of them restart each second. The aim is 0.05 of a core, with the heartbeats. A
// client must be woken only by changes of its own service, and no server may become suspect.
func BenchmarkWatchers(b *testing.B) {
	n := harness.StartNSQD(b)
	a := startAPI(b, n)
	c := startCrowd(b, n.TCP, watchedServers)
	c.awaitRegistered(b, a.APIServer)
	w := startWatchers(b, a.Addr)
	fixture.Eventually(b, time.Minute, "every watcher has a list, and waits for the next one", func() bool {
		woken := w.woken()
		return !slices.Contains(woken[:], 0)
	})
	for b.Loop() {
		fixture.Sleep(watchedSettle)
		woken, restarted := w.woken(), c.restartsByService()
		c.restarts.Store(watchedRestarts)
		cores, _ := a.use(b, 2*crowdInterval)
		c.restarts.Store(0)
		fixture.Sleep(watchedSettle)
		var responses, needless int64
		for i, n := range w.woken() {
			n -= woken[i]
			responses += n
			needless += max(0, n-(c.restarted[i%crowdServices].Load()-restarted[i%crowdServices]))
		}
		b.ReportMetric(cores, "cores")
		b.ReportMetric(float64(responses)/watchers, "responses/watcher")
		if responses == 0 || needless > 0 {
			b.Errorf("watchers received %d responses, of which %d without a restart of a server of their service", responses, needless)
		}
	}
	w.stop(b)
	c.noSuspects(b, a.APIServer)
	b.ReportMetric(0, "ns/op") // do not report ns/op, which would be the time of the whole measurement
}

func (c *crowd) restartsByService() (restarts [crowdServices]int64) {
	for i := range restarts {
		restarts[i] = c.restarted[i].Load()
	}
	return restarts
}

// watcherClients are clients that repeat long polls. Each has a connection of its own.
type watcherClients struct {
	responses [watchers]atomic.Int64
	client    *http.Client
	end       context.CancelFunc
	running   sync.WaitGroup
	failed    chan error // the first error
}

func startWatchers(b *testing.B, addr string) *watcherClients {
	b.Helper()
	w := &watcherClients{client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: watchers}}, failed: make(chan error, 1)}
	var ctx context.Context
	ctx, w.end = context.WithCancel(context.Background())
	for i := range watchers {
		w.running.Go(func() {
			if err := w.watch(ctx, i, addr); err != nil && ctx.Err() == nil {
				select {
				case w.failed <- err:
				default:
				}
			}
		})
	}
	b.Cleanup(func() { w.stop(b) })
	return w
}

// stop ends the watchers. It fails the benchmark if a request failed.
func (w *watcherClients) stop(b *testing.B) {
	b.Helper()
	w.end()
	w.running.Wait()
	w.client.CloseIdleConnections()
	select {
	case err := <-w.failed:
		b.Error(err)
	default:
	}
}

// woken returns how many responses each watcher has received.
func (w *watcherClients) woken() (responses [watchers]int64) {
	for i := range responses {
		responses[i] = w.responses[i].Load()
	}
	return responses
}

func (w *watcherClients) watch(ctx context.Context, watcher int, addr string) error {
	index := uint64(0)
	for {
		url := fmt.Sprintf("http://%s/v1/servers?service=%s&index=%d&wait=2m", addr, crowdService(watcher), index)
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		resp, err := w.client.Do(req)
		if err != nil {
			return err
		}
		body, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil {
			return err
		}
		if index, err = indexOf(body); err != nil || resp.StatusCode != http.StatusOK {
			return fmt.Errorf("GET %s: %s: %v", url, resp.Status, err)
		}
		w.responses[watcher].Add(1)
	}
}

// indexOf returns the index of a list. It does not parse the list, which would cost more than the API server spends.
func indexOf(body []byte) (uint64, error) {
	_, rest, _ := bytes.Cut(body, []byte(`"index":`))
	digits, _, _ := bytes.Cut(rest, []byte(","))
	return strconv.ParseUint(string(digits), 10, 64)
}
