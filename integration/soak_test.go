package integration

import (
	"flag"
	"fmt"
	"math"
	"syscall"
	"testing"
	"time"
)

var soak = flag.Duration("soak", time.Hour, "with -long: how long the soak runs")

// TestSoak has fleets come and go for long, by their leave and by SIGKILL in turn, and compares what the API server needs
// at the end with what it needed at the beginning.
func TestSoak(t *testing.T) {
	longOnly(t)
	t.Parallel()
	const (
		steady = 40
		churn  = 20
		lives  = 12 * time.Second
		more   = 8 << 20 // bytes, or a tenth: what a garbage collector may owe
	)
	b := newSite(t, 3)
	a := b.api("api-1")
	b.fleet("steady", steady)
	b.calm(a)
	var goroutines, memory []float64
	sample := func() {
		goroutines = append(goroutines, a.metric(t, "go_goroutines"))
		memory = append(memory, a.metric(t, "process_resident_memory_bytes"))
	}
	begun := time.Now()
	for round := 0; time.Since(begun) < *soak || len(memory) == 0; round++ {
		sample := sample
		if round == 0 {
			sample = func() {} // it fills its caches
		}
		f := b.fleet(fmt.Sprintf("churn-%d", round), churn)
		every(time.Second, lives, sample)
		b.witness.dies(f.ids...)
		if round%2 == 0 {
			f.signal(syscall.SIGTERM)
		} else {
			f.kill()
		}
		every(time.Second, lives, sample)
	}
	tenth := max(1, len(goroutines)/10)
	first, last := median(goroutines[:tenth]), median(goroutines[len(goroutines)-tenth:])
	row(t, fmt.Sprintf("soak of %v: goroutines, from %v to %v", *soak, first, last), math.Abs(last-first), 5)
	first, last = median(memory[:tenth]), median(memory[len(memory)-tenth:])
	row(t, fmt.Sprintf("soak of %v: memory, from %.1f MiB to %.1f MiB, more bytes", *soak, first/(1<<20), last/(1<<20)), last-first, max(more, first/10))
	b.noFalse(fmt.Sprintf("soak of %v", *soak), a)
}
