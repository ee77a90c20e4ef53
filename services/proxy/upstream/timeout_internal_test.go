package upstream

import (
	"slices"
	"testing"
	"time"
	"unsafe"
)

// set moves the wall clock reading of t ahead by the given duration, and does not change the monotonic clock reading.
func set(t time.Time, by time.Duration) time.Time {
	*(*uint64)(unsafe.Pointer(&t)) += uint64(int64(by/time.Second) << 30)
	return t
}

// A change of the wall clock and a pause of this process do not count as a delay of a server.
func TestTimeoutsIgnoreClockChangesAndPauses(t *testing.T) {
	begun := time.Now()
	later := set(begun, time.Hour)
	if later.Sub(begun) != 0 || later.Unix()-begun.Unix() != 3600 {
		t.Fatalf("set does not work: %v, %d", later.Sub(begun), later.Unix()-begun.Unix())
	}
	for _, row := range []struct {
		name  string
		ticks []time.Duration // time that passes before each tick
		set   time.Duration
		want  error
	}{
		{"the wall clock is set ahead", []time.Duration{time.Second / 4}, time.Hour, nil},
		{"the wall clock is set back", []time.Duration{time.Second / 4}, -time.Hour, nil},
		{"this process was paused for a minute", []time.Duration{time.Minute, time.Second / 4}, 0, nil},
		{"two ticks after the timeout", slices.Repeat([]time.Duration{time.Second / 4}, 122), 0, ErrLate},
		{"two ticks after the timeout, with the wall clock set back", slices.Repeat([]time.Duration{time.Second / 4}, 122), -time.Hour, ErrLate},
	} {
		tr := &Transport{ResponseTimeout: 30 * time.Second, StallTimeout: 30 * time.Second, Tick: time.Second / 4}
		now := begun
		tr.Advance(now)
		var u use
		u.begin(t.Context(), &Request{Client: presentClient{}, Repeatable: true})
		u.await(tr.Now())
		now = set(now, row.set)
		for _, d := range row.ticks {
			now = now.Add(d)
			tr.Advance(now)
		}
		if why := u.overdue(tr, now, time.Time{}); why != row.want {
			t.Errorf("%s: %v, want %v", row.name, why, row.want)
		}
	}
}

type presentClient struct{ Client }

func (presentClient) Gone() bool { return false }
