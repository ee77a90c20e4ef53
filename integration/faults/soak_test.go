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

// Fleets start and end for a long time, in turn by leave and by SIGKILL. The goroutines and the memory of the API server must not grow.
func TestSoak(t *testing.T) {
	harness.SkipUnlessLong(t)
	t.Parallel()
	const (
		steady = 40
		churn  = 20
		lives  = 12 * time.Second
		slack  = 8 << 20 // allowed growth of the memory in bytes; a tenth of the memory if that is more
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
			sample = func() {} // not measured: caches fill in the first round
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
