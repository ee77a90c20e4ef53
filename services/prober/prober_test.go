package prober_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"rollcall/integration/fixture"
	"rollcall/services/prober"
	"rollcall/services/registry"
)

func TestConfigValidation(t *testing.T) {
	r := newFakeRegistry()
	for _, tt := range []struct {
		name string
		cfg  prober.Config
		want []string // texts that the error must contain; empty: no error
	}{
		{"the zero value lacks only the registry", prober.Config{}, []string{"registry is nil"}},
		{"a registry is enough", prober.Config{Registry: r}, nil},
		{"mode tcp", prober.Config{Registry: r, Mode: "tcp"}, nil},
		{"mode http", prober.Config{Registry: r, Mode: "http"}, nil},
		{"another mode", prober.Config{Registry: r, Mode: "udp"}, []string{`mode "udp"`}},
		{"all errors are reported at once", prober.Config{Mode: "HTTP", Timeout: -1, Again: -1, Concurrency: -1},
			[]string{"registry is nil", `mode "HTTP"`, "timeout -1ns", "again -1ns", "concurrency -1"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, err := prober.New(tt.cfg)
			if (err == nil) != (len(tt.want) == 0) || (p == nil) != (err != nil) {
				t.Fatalf("got %v, %v", p, err)
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), "prober: "+want) {
					t.Errorf("%q does not name %q", err, want)
				}
			}
		})
	}
}

// At most Concurrency probes run at the same time. Other probes wait in the registry.
func TestConcurrency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const limit, all = 10, 100
		var running, most atomic.Int64
		r, stop := mustRun(t, prober.Config{
			Concurrency: limit,
			Probe: func(context.Context, registry.Probe) registry.Finding {
				most.Store(max(most.Load(), running.Add(1)))
				defer running.Add(-1)
				time.Sleep(time.Second)
				return registry.FindingSilent
			},
		})
		given := 0
		for range all {
			select {
			case r.probes <- probeOf(fmt.Sprintf("10.0.0.7:%d", given+1)):
				given++
				synctest.Wait()
			case <-time.After(time.Millisecond):
			}
		}
		if given != limit+1 || running.Load() != limit { // Run has accepted one more probe, which waits for a free goroutine
			t.Errorf("%d probes accepted and %d running, want %d and %d", given, running.Load(), limit+1, limit)
		}
		start, reported := time.Now(), 0
		for reported < all {
			var next chan<- registry.Probe
			if given < all {
				next = r.probes
			}
			select {
			case next <- probeOf(fmt.Sprintf("10.0.0.7:%d", given+1)):
				given++
			case <-r.reports:
				reported++
			}
		}
		if took := time.Since(start); most.Load() != limit || took > all/limit*time.Second {
			t.Errorf("%d probes at the same time and %v for all, want %d and at most %d s", most.Load(), took, limit, all/limit)
		}
		stop()
	})
}

func TestRunCompletesProbesWhenTheChannelIsClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newFakeRegistry()
		p := mustNew(t, prober.Config{Registry: r, Probe: func(context.Context, registry.Probe) registry.Finding {
			time.Sleep(time.Second)
			return registry.FindingAccepted
		}})
		ended := make(chan error, 1)
		go func() { ended <- p.Run(t.Context()) }()
		r.probes <- probeOf("10.0.0.7:80")
		close(r.probes)
		synctest.Wait()
		if len(ended) > 0 {
			t.Error("Run ended before its probe")
		}
		if got := <-r.reports; got.Finding != registry.FindingAccepted {
			t.Errorf("got %s, want accepted", got.Finding)
		}
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

func TestFailedReportsAreDropped(t *testing.T) {
	probes := make(chan registry.Probe)
	p := mustNew(t, prober.Config{
		Registry: stopped{probes},
		Probe:    func(context.Context, registry.Probe) registry.Finding { return registry.FindingSilent },
	})
	go func() {
		defer close(probes)
		for range 1000 {
			probes <- probeOf("10.0.0.7:80")
		}
	}()
	if err := p.Run(t.Context()); err != nil {
		t.Errorf("Run: %v", err)
	}
}

type stopped struct{ probes chan registry.Probe }

func (s stopped) Probes() <-chan registry.Probe                   { return s.probes }
func (s stopped) Report(context.Context, registry.Evidence) error { return registry.ErrStopped }

// When the context ends, the prober aborts a probe in any phase. It reports nothing and leaves no goroutine.
func TestContextEndsAProbeInAnyPhase(t *testing.T) {
	const never = time.Hour
	refused := func(context.Context, string) (net.Conn, error) { return nil, refusal(syscall.ECONNREFUSED) }
	silent := func(t *testing.T) string { return mustListen(t).Addr().String() }
	const none, begun, ended = 0, 1, 2
	for _, tt := range []struct {
		name string
		cfg  prober.Config
		addr func(t *testing.T) string
		dial int // state of the dialer when the context ends
	}{
		{"no probe", prober.Config{}, silent, none},
		{"connecting", prober.Config{Timeout: never}, func(t *testing.T) string { return fixture.BlackHole(t) }, begun},
		{"waiting for the response", prober.Config{Timeout: never}, silent, ended},
		{"reading the response", prober.Config{Timeout: never}, func(t *testing.T) string { return fixture.Serve(t, drip) }, ended},
		{"waiting after a refusal", prober.Config{Again: never, Dial: refused}, silent, ended},
		{"waiting for its turn", prober.Config{Timeout: never, Concurrency: 1}, silent, ended},
		{"reporting", prober.Config{Mode: prober.ModeTCP, Timeout: never}, silent, ended},
	} {
		t.Run(tt.name, func(t *testing.T) {
			probe := probeOf(tt.addr(t))
			before := goleak.IgnoreCurrent() // ignores the goroutines of the test's servers
			dial := tt.cfg.Dial
			if dial == nil {
				dial = func(ctx context.Context, addr string) (net.Conn, error) {
					return new(net.Dialer).DialContext(ctx, "tcp", addr)
				}
			}
			dialed := make(chan struct{}, 4)
			tt.cfg.Dial = func(ctx context.Context, addr string) (net.Conn, error) {
				dialed <- struct{}{}
				defer func() { dialed <- struct{}{} }()
				return dial(ctx, addr)
			}
			r, stop := mustRun(t, tt.cfg)
			if tt.dial != none {
				r.probes <- probe
			}
			if tt.cfg.Concurrency == 1 {
				r.probes <- probe
			}
			for range tt.dial {
				<-dialed
			}
			start := time.Now()
			stop()
			if took := time.Since(start); took > 10*time.Second {
				t.Errorf("took %v", took)
			}
			goleak.VerifyNone(t, before)
			select {
			case e := <-r.reports:
				t.Errorf("reported %+v", e)
			default:
			}
		})
	}
}

// The prober does not report a finding that Probe returns after the context ended.
func TestAbortedProbeIsNotReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &counting{probes: make(chan registry.Probe)}
		p := mustNew(t, prober.Config{Registry: r, Probe: func(ctx context.Context, _ registry.Probe) registry.Finding {
			<-ctx.Done()
			time.Sleep(time.Second)
			return registry.FindingRefused
		}})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- p.Run(ctx) }()
		r.probes <- probeOf("10.0.0.7:80")
		synctest.Wait()
		begun := time.Now()
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
		if took := time.Since(begun); took != time.Second {
			t.Errorf("Run ended after %v, want 1 s, when its probe ended", took)
		}
		if n := r.reports.Load(); n != 0 {
			t.Errorf("reported %d times", n)
		}
	})
}

type counting struct {
	probes  chan registry.Probe
	reports atomic.Int64
}

func (c *counting) Probes() <-chan registry.Probe { return c.probes }

func (c *counting) Report(context.Context, registry.Evidence) error {
	c.reports.Add(1)
	return nil
}

func TestMetrics(t *testing.T) {
	found := make(chan registry.Finding, 10)
	metrics := prometheus.NewRegistry()
	r, stop := mustRun(t, prober.Config{
		Metrics: metrics,
		Probe:   func(context.Context, registry.Probe) registry.Finding { return <-found },
	})
	checkProbes(t, metrics, nil)
	for _, f := range []registry.Finding{registry.FindingSilent, registry.FindingRefused, registry.FindingSilent} {
		found <- f
		r.probes <- probeOf("10.0.0.7:80")
		<-r.reports
	}
	stop()
	checkProbes(t, metrics, map[registry.Finding]float64{registry.FindingSilent: 2, registry.FindingRefused: 1})

	var taken prometheus.AlreadyRegisteredError
	if _, err := prober.New(prober.Config{Registry: r, Metrics: metrics}); !errors.As(err, &taken) {
		t.Errorf("got %v, want AlreadyRegisteredError", err)
	}
}

// checkProbes checks that each finding has a series with the value in want (default 0), and that each probe has a duration.
func checkProbes(t *testing.T, g prometheus.Gatherer, want map[registry.Finding]float64) {
	t.Helper()
	families, err := g.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got, sum, durations := map[registry.Finding]float64{}, 0.0, uint64(0)
	for _, f := range families {
		for _, m := range f.GetMetric() {
			switch f.GetName() {
			case "rollcall_probes_total":
				got[registry.Finding(m.GetLabel()[0].GetValue())] = m.GetCounter().GetValue()
				sum += m.GetCounter().GetValue()
			case "rollcall_probe_seconds":
				durations = m.GetHistogram().GetSampleCount()
			}
		}
	}
	if len(got) != len(registry.Findings()) || float64(durations) != sum {
		t.Errorf("got %v and %d durations, want a series for each finding and a duration for each probe", got, durations)
	}
	for _, f := range registry.Findings() {
		if got[f] != want[f] {
			t.Errorf("%s: got %v, want %v", f, got[f], want[f])
		}
	}
}

// BenchmarkProbe probes a healthy server in the same process. The result includes the time of the server.
func BenchmarkProbe(b *testing.B) {
	for _, mode := range []prober.Mode{prober.ModeHTTP, prober.ModeTCP} {
		b.Run("mode="+string(mode), func(b *testing.B) {
			probe := probeOf(mustHTTP(b, func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X-Rollcall-Id", "a") }))
			r, stop := mustRun(b, prober.Config{Mode: mode})
			defer stop()
			want := registry.FindingIdentified
			if mode == prober.ModeTCP {
				want = registry.FindingAccepted
			}
			b.ReportAllocs()
			given, reported := 0, 0
			take := func(e registry.Evidence) {
				if reported++; e.Finding != want {
					b.Fatalf("got %s, want %s", e.Finding, want)
				}
			}
			for b.Loop() {
				for sent := false; !sent; {
					select {
					case r.probes <- probe:
						sent = true
						given++
					case e := <-r.reports:
						take(e)
					}
				}
			}
			for reported < given {
				take(<-r.reports)
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "probes/s")
		})
	}
}
