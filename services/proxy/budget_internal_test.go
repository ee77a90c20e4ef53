package proxy

import "testing"

func TestBudget(t *testing.T) {
	spend := func(b *budget, most int) (n int) {
		for n < most && b.take() {
			n++
		}
		return n
	}
	for _, row := range []struct {
		name     string
		budget   Retry
		requests int
		want     int
	}{
		{"retries per second without requests", Retry{Percent: 20, PerSecond: 10}, 0, 100},
		{"retries per second and percent of requests", Retry{Percent: 20, PerSecond: 10}, 1000, 300},
		{"only percent of requests", Retry{Percent: 20, PerSecond: -1}, 1000, 200},
		{"no retries", Retry{Percent: -1, PerSecond: -1}, 1000, 0},
	} {
		b := &budget{Retry: row.budget}
		b.move(1000)
		for range row.requests {
			b.request()
		}
		if got := spend(b, 10_000); got != row.want {
			t.Errorf("%s: %d retries, want %d", row.name, got, row.want)
		}
	}
}

func TestBudgetSlides(t *testing.T) {
	b := &budget{Retry: Retry{Percent: -1, PerSecond: 1}}
	take := func(want bool, at int64) {
		t.Helper()
		b.move(at)
		if got := b.take(); got != want {
			t.Errorf("at second %d: %v, want %v", at, got, want)
		}
	}
	for s := range int64(10) { // spend one retry in each of the 10 seconds of the window
		take(true, 100+s)
	}
	take(false, 109)
	take(true, 110) // the retry of second 100 has left the window
	take(false, 110)
	for range 10 {
		take(true, 200) // all earlier retries have left the window
	}
	take(false, 200)
	take(false, 150) // second 150 is before the window, so the window does not move
	for range 10 {
		take(true, 1<<40)
	}
}
