package figures

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"testing"
	"time"

	"rollcall/integration/fixture"
	"rollcall/integration/harness"
)

// BenchmarkGrowth measures one process of "rollcall apiserver" with the heartbeats of ever more servers, which arrive through an nsqd in
// another process. The servers are of 20 services, and each sends a heartbeat every 5 s. For each number of servers it reports the CPU time
// of the API server in cores and the largest memory, both over 10 s in which no server registers or ends; how long heartbeats waited in
// NSQ; and what a list of all servers costs meanwhile.
//
// The aim at 100 000 servers is 0.15 of a core, 200 MB, and 60 ms of CPU time for a list.
func BenchmarkGrowth(b *testing.B) {
	for _, servers := range []int{1000, 10_000, 50_000, 100_000} {
		b.Run(fmt.Sprintf("servers=%d", servers), func(b *testing.B) {
			for b.Loop() {
				measureGrowth(b, servers)
			}
			b.ReportMetric(0, "ns/op") // do not report ns/op, which would be the time of the whole measurement
		})
	}
}

const (
	growthSettle = crowdInterval + time.Second // time after the registrations, in which each server sends a heartbeat; not measured
	growthSpan   = 2 * crowdInterval
	listSpan     = 2 * time.Second // lists are requested for this long
)

func measureGrowth(b *testing.B, servers int) {
	b.Helper()
	n := harness.StartNSQD(b)
	a := startAPI(b, n)
	defer a.Terminate()
	c := startCrowd(b, n.TCP, servers)
	c.awaitRegistered(b, a.APIServer)
	fixture.Sleep(growthSettle)

	cpu, memory := a.use(b, growthSpan)
	c.noSuspects(b, a.APIServer)
	lags := c.lags(b, a.APIServer)
	list, wall := a.list(b, cpu)

	b.ReportMetric(cpu, "cores")
	b.ReportMetric(memory, "MB")
	b.ReportMetric(lags[len(lags)/2], "lag-p50-ms")
	b.ReportMetric(lags[len(lags)*99/100], "lag-p99-ms")
	b.ReportMetric(list, "list-cpu-ms")
	b.ReportMetric(wall, "list-ms")
}

// measuredAPI is a process of "rollcall apiserver" whose CPU time and memory are measured.
type measuredAPI struct{ *harness.APIServer }

func startAPI(b *testing.B, n *harness.Daemon) measuredAPI {
	b.Helper()
	a := harness.StartAPIServer(b, "figures", "--log.level=error", "--nsq.lookupd=", "--nsq.nsqd", n.TCP)
	a.Client.Timeout = 10 * time.Second // for long lists
	return measuredAPI{a}
}

// use measures the process for a time. It returns the CPU time in cores and the largest resident memory in MB.
func (a measuredAPI) use(b *testing.B, span time.Duration) (cores, memory float64) {
	b.Helper()
	begun, before := time.Now(), a.cpu(b)
	harness.Every(span/20, span, func() { memory = max(memory, a.memory(b)) })
	return (a.cpu(b) - before).Seconds() / time.Since(begun).Seconds(), memory
}

// list requests lists of all servers, one after the other. It returns the mean CPU time and the mean time of a list in milliseconds. The
// parameter cores is what the process uses without lists; list subtracts it. The first list encodes all servers and is not measured.
func (a measuredAPI) list(b *testing.B, cores float64) (cpu, wall float64) {
	b.Helper()
	a.Await(b, time.Minute, "the first list", func() bool { return a.listed(b) })
	begun, before, lists := time.Now(), a.cpu(b), 0.
	for time.Since(begun) < listSpan || lists == 0 {
		if a.listed(b) {
			lists++
		}
	}
	used, took := (a.cpu(b) - before).Seconds(), time.Since(begun).Seconds()
	return max(0, used-cores*took) * 1000 / lists, took * 1000 / lists
}

// listed requests a list of all servers. It reports false if the API server is too busy.
func (a measuredAPI) listed(b *testing.B) bool {
	b.Helper()
	resp, err := a.Client.Get("http://" + a.Addr + "/v1/servers")
	fixture.Must(b, err)
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	fixture.Must(b, err)
	if resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusServiceUnavailable {
		b.Fatalf("GET /v1/servers: %s", resp.Status)
	}
	return resp.StatusCode == http.StatusOK
}

func (a measuredAPI) cpu(b *testing.B) time.Duration {
	b.Helper()
	used, ok := cpuOf(a.Cmd.Process.Pid)
	if !ok {
		b.Skip("needs /proc for the CPU time of another process")
	}
	return used
}

// memory returns the resident memory in MB.
func (a measuredAPI) memory(b *testing.B) float64 {
	b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", a.Cmd.Process.Pid))
	fixture.Must(b, err)
	_, rest, _ := bytes.Cut(text, []byte("VmRSS:"))
	kib, _, _ := bytes.Cut(bytes.TrimSpace(rest), []byte(" "))
	n, err := strconv.ParseFloat(string(kib), 64)
	fixture.Must(b, err)
	return n / 1000 * 1.024
}
