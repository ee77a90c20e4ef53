package registry

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// The timer wheel returns exactly the records that are due. A record can be due soon, after several turns of the wheel, or in the
// past. Time can advance by ticks, jump over several turns, or go back.
func TestWheelReturnsTheDueRecords(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := wheel{tick: 250 * time.Millisecond}
		turn := wheelSlots * w.tick
		records := make([]*record, 8)
		for i := range records {
			records[i] = new(record)
		}
		due := make(map[*record]time.Duration)
		now := time.Duration(0)
		draw := func(t *rapid.T, name string) *record { return rapid.SampledFrom(records).Draw(t, name) }
		t.Repeat(map[string]func(*rapid.T){
			"place": func(t *rapid.T) {
				in := rapid.SampledFrom([]time.Duration{0, time.Second, turn - w.tick, turn, turn + w.tick, 3 * turn}).Draw(t, "in")
				r := draw(t, "record")
				due[r] = now + in + time.Duration(rapid.Int64Range(-int64(time.Second), int64(time.Second)).Draw(t, "by"))
				w.place(r, due[r])
			},
			"remove": func(t *rapid.T) {
				r := draw(t, "record")
				delete(due, r)
				w.remove(r)
			},
			"collect": func(t *rapid.T) {
				now += rapid.SampledFrom([]time.Duration{0, 1, w.tick, w.tick, time.Second, turn - 1, turn, 5 * turn}).Draw(t, "step")
				mustCollect(t, &w, due, now)
			},
			"go back": func(t *rapid.T) {
				before := now - time.Duration(rapid.Int64Range(1, int64(w.tick)).Draw(t, "by"))
				for _, r := range w.collect(before, nil) {
					if due[r] > before {
						t.Fatalf("collected at %v a record that is due at %v", before, due[r])
					}
				}
			},
			"": func(t *rapid.T) {
				if inWheel(&w) != len(due) {
					t.Fatalf("%d in the wheel, want %d", inWheel(&w), len(due))
				}
			},
		})
	})
}

// mustCollect removes the due records from the wheel and the model, and compares them.
func mustCollect(t *rapid.T, w *wheel, due map[*record]time.Duration, now time.Duration) {
	got := w.collect(now, nil)
	for _, r := range got {
		if d, ok := due[r]; !ok || d > now {
			t.Fatalf("collected at %v a record that is due at %v (in the wheel: %v)", now, d, ok)
		}
		w.remove(r)
		delete(due, r)
	}
	for _, d := range due {
		if d <= now {
			t.Fatalf("not collected at %v although due at %v", now, d)
		}
	}
}
