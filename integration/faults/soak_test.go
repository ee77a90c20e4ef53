package faults

import (
	"flag"
	"fmt"
	"math"
	"syscall"
	"testing"
	"time"

	"rollcall/integration/harness"
)

var soak = flag.Duration("soak", time.Hour, "duration of TestSoak, with -long")

// For a long time, fleets of servers start, and end alternately by leaving and by SIGKILL. The API server's number of goroutines and its
// memory must not grow.
func TestSoak(t *testing.T) {
	harness.SkipUnlessLong(t)
	t.Parallel()
	const (
		steady = 40
		churn  = 20
		lives  = 12 * time.Second
		slack  = 8 << 20 // allowed growth of the memory in bytes, or a tenth of the memory if a tenth is more
	)
	b := harness.NewSite(t, 3)
	a := b.StartAPI("api-1")
	b.StartFleet("steady", steady)
	b.AwaitNormal(a)
	var goroutines, memory []float64
	sample := func() {
		goroutines = append(goroutines, a.Metric(t, "go_goroutines"))
		memory = append(memory, a.Metric(t, "process_resident_memory_bytes"))
	}
	begun := time.Now()
	for round := 0; time.Since(begun) < *soak || len(memory) == 0; round++ {
		sample := sample
		if round == 0 {
			sample = func() {} // the first round is not measured, because caches fill during it
		}
		f := b.StartFleet(fmt.Sprintf("churn-%d", round), churn)
		harness.Every(time.Second, lives, sample)
		b.Events.MarkDead(f.IDs...)
		if round%2 == 0 {
			f.Signal(syscall.SIGTERM)
		} else {
			f.Kill()
		}
		harness.Every(time.Second, lives, sample)
	}
	tenth := max(1, len(goroutines)/10)
	first, last := harness.Median(goroutines[:tenth]), harness.Median(goroutines[len(goroutines)-tenth:])
	harness.AtMost(t, fmt.Sprintf("soak of %v: goroutines, from %v to %v", *soak, first, last), math.Abs(last-first), 5)
	first, last = harness.Median(memory[:tenth]), harness.Median(memory[len(memory)-tenth:])
	harness.AtMost(t, fmt.Sprintf("soak of %v: memory, from %.1f MiB to %.1f MiB, growth in bytes", *soak, first/(1<<20), last/(1<<20)), last-first, max(slack, first/10))
	b.NoFalseExpiries(fmt.Sprintf("soak of %v", *soak), a)
}
