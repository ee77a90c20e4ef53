package subscriber

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"rollcall/events"
)

const grace = 2 * time.Second

// arrivedEvent is an event, with the time at which it arrives.
type arrivedEvent struct {
	at       time.Duration
	revision uint64
	time     int64  // time of the event in seconds; default: the revision
	observer string // id of the observer; default "a"
}

func (a arrivedEvent) transition() events.Transition {
	t := events.Transition{Observer: "a", Revision: a.revision, Time: time.Unix(int64(a.revision), 0)}
	if a.time != 0 {
		t.Time = time.Unix(a.time, 0)
	}
	if a.observer != "" {
		t.Observer = a.observer
	}
	return t
}

// play passes the arrivals, which are ordered by time, to g as loop does. It returns the gaps and restarts that g reports
// until the time end.
func play(g *gaps, arrivals []arrivedEvent, end time.Duration) []string {
	var reported []string
	until := func(now time.Duration) {
		for _, gap := range g.overdue(now) {
			reported = append(reported, fmt.Sprintf("%s %d-%d", gap.Observer, gap.From, gap.To))
		}
	}
	for _, c := range arrivals {
		until(c.at - 1)
		if g.observe(c.transition(), c.at) {
			reported = append(reported, c.transition().Observer+" restarted")
		}
		until(c.at)
	}
	until(end)
	return reported
}

func TestGaps(t *testing.T) {
	const s = time.Second
	for _, tc := range []struct {
		rule     string
		arrivals []arrivedEvent
		end      time.Duration // default: one hour
		want     []string
	}{
		{rule: "revisions in order", arrivals: []arrivedEvent{{revision: 7}, {revision: 8}, {revision: 9}}},
		{rule: "revisions before the first are not missing", arrivals: []arrivedEvent{{revision: 500}, {revision: 501}}},
		{rule: "a missing revision is reported", arrivals: []arrivedEvent{{revision: 3}, {revision: 5}}, want: []string{"a 4-4"}},
		{
			rule:     "not reported before the grace ends",
			arrivals: []arrivedEvent{{revision: 3}, {revision: 5}}, end: grace - 1,
		},
		{
			rule:     "late within the grace is not a gap",
			arrivals: []arrivedEvent{{revision: 3}, {revision: 5}, {at: grace, revision: 4}},
		},
		{
			rule:     "after the grace is a gap, and not a restart",
			arrivals: []arrivedEvent{{revision: 3}, {revision: 5}, {at: grace + 1, revision: 4}, {at: 3 * s, revision: 6}},
			want:     []string{"a 4-4"},
		},
		{
			rule:     "adjacent revisions are one gap",
			arrivals: []arrivedEvent{{revision: 1}, {revision: 1000}},
			want:     []string{"a 2-999"},
		},
		{
			rule:     "a revision from the middle splits the gap",
			arrivals: []arrivedEvent{{revision: 1}, {revision: 10}, {at: s, revision: 5}},
			want:     []string{"a 2-4", "a 6-9"},
		},
		{
			rule:     "a gap that fills from its ends",
			arrivals: []arrivedEvent{{revision: 1}, {revision: 5}, {revision: 2}, {revision: 4}, {revision: 3}},
		},
		{
			rule:     "each gap has its own grace",
			arrivals: []arrivedEvent{{revision: 1}, {revision: 3}, {at: s, revision: 5}}, end: grace + s - 1,
			want: []string{"a 2-2"},
		},
		{
			rule:     "duplicates",
			arrivals: []arrivedEvent{{revision: 3}, {revision: 4}, {revision: 3}, {revision: 4}, {revision: 5}},
		},
		{
			rule:     "a revision before the first is late, not a restart",
			arrivals: []arrivedEvent{{revision: 5}, {revision: 4}, {revision: 6}},
		},
		{
			rule:     "event times out of order are not a restart",
			arrivals: []arrivedEvent{{revision: 4, time: 6}, {revision: 5, time: 5}, {revision: 4, time: 6}, {revision: 6}},
		},
		{
			rule:     "a smaller revision with a later time is a restart",
			arrivals: []arrivedEvent{{revision: 50}, {revision: 1, time: 60}, {revision: 2, time: 61}},
			want:     []string{"a restarted"},
		},
		{
			rule:     "the same revision with a later time is a restart",
			arrivals: []arrivedEvent{{revision: 1}, {revision: 1, time: 60}},
			want:     []string{"a restarted"},
		},
		{
			rule: "a restart with revisions out of order is reported once",
			arrivals: []arrivedEvent{
				{revision: 50}, {revision: 3, time: 63}, {revision: 1, time: 64}, {revision: 2, time: 62},
			},
			want: []string{"a restarted"},
		},
		{
			rule:     "missing revisions after a restart are reported",
			arrivals: []arrivedEvent{{revision: 50}, {revision: 3, time: 63}, {revision: 2, time: 62}},
			want:     []string{"a restarted", "a 1-1"},
		},
		{
			rule:     "missing revisions before a restart are not reported again",
			arrivals: []arrivedEvent{{revision: 50}, {revision: 52}, {revision: 1, time: 60}},
			want:     []string{"a restarted"},
		},
		{
			rule: "an event from before the restart arrives after it",
			arrivals: []arrivedEvent{
				{revision: 50}, {revision: 60}, {revision: 1, time: 61}, {revision: 55}, {revision: 59, time: 60},
				{revision: 2, time: 62},
			},
			want: []string{"a restarted"},
		},
		{
			rule: "two observers",
			arrivals: []arrivedEvent{
				{revision: 1}, {observer: "b", revision: 7}, {revision: 3}, {observer: "b", revision: 8},
			},
			want: []string{"a 2-2"},
		},
		{
			rule: "one of two observers restarts",
			arrivals: []arrivedEvent{
				{observer: "b", revision: 1}, {observer: "b", revision: 3}, {revision: 50}, {revision: 1, time: 60},
			},
			want: []string{"a restarted", "b 2-2"},
		},
		{rule: "an event without a revision", arrivals: []arrivedEvent{{revision: 5}, {revision: 0, time: 60}, {revision: 6}}},
		{
			rule: "the highest possible revision",
			arrivals: []arrivedEvent{
				{revision: math.MaxUint64 - 2, time: 1}, {revision: math.MaxUint64, time: 3},
				{revision: math.MaxUint64, time: 3}, {revision: math.MaxUint64 - 1, time: 2},
			},
		},
	} {
		t.Run(tc.rule, func(t *testing.T) {
			g := newGaps(grace)
			end := tc.end
			if end == 0 {
				end = time.Hour
			}
			if got := play(&g, tc.arrivals, end); !slices.Equal(got, tc.want) {
				t.Errorf("reported %q, want %q", got, tc.want)
			}
		})
	}
}

func TestGapsAreBounded(t *testing.T) {
	g := newGaps(grace)
	arrivals := make([]arrivedEvent, maxMissing+3)
	for i := range arrivals {
		arrivals[i].revision = uint64(2*i + 1)
	}
	if got := play(&g, arrivals, 0); !slices.Equal(got, []string{"a 2-2", "a 4-4"}) {
		t.Errorf("reported %q before the grace ended, want the two oldest of %d", got, maxMissing+2)
	}
	if len(g.missing) != maxMissing {
		t.Errorf("%d missing ranges are stored, want %d", len(g.missing), maxMissing)
	}
}

func TestLeastActiveObserverIsForgotten(t *testing.T) {
	g := newGaps(grace)
	for i := range maxObservers + 1 {
		at := time.Duration(i) * time.Second
		play(&g, []arrivedEvent{{at: at, revision: 1, observer: fmt.Sprint("o", i)}, {at: at, revision: 2, observer: "o0"}}, at)
	}
	if len(g.observers) != maxObservers {
		t.Errorf("%d observers are stored, want %d", len(g.observers), maxObservers)
	}
	if g.observers["o0"] == nil || g.observers["o1"] != nil {
		t.Error("want the second observer forgotten, and the first kept, whose events still arrive")
	}
}

// The revisions of two observers (API servers) arrive in any order and at any pace; some arrive twice, some never.
func TestExactlyTheMissingRevisionsAreReported(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		arrivals := drawArrivals(t)
		g := newGaps(grace)
		reported := play(&g, arrivals, arrivals[len(arrivals)-1].at+grace)

		var want []string
		for _, observer := range []string{"a", "b"} {
			want = append(want, overdueOf(observer, arrivals)...)
		}
		slices.Sort(want)
		if got := single(t, reported); !slices.Equal(got, want) {
			t.Fatalf("reported %q, want %q", got, want)
		}
	})
}

func TestRevisionsWithinTheGraceAreNotReported(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 40).Draw(t, "revisions")
		all := make([]arrivedEvent, 0, 2*n)
		for r := 1; r <= n; r++ {
			for range rapid.IntRange(1, 2).Draw(t, "copies") {
				all = append(all, arrivedEvent{revision: uint64(r)})
			}
		}
		all = rapid.Permutation(all).Draw(t, "order")
		for i := range all {
			all[i].at = grace * time.Duration(i) / time.Duration(len(all))
		}
		g := newGaps(grace)
		if got := play(&g, all, time.Hour); len(got) > 0 {
			t.Fatalf("reported %q for %v", got, all)
		}
	})
}

func drawArrivals(t *rapid.T) []arrivedEvent {
	all := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) arrivedEvent {
		return arrivedEvent{
			observer: rapid.SampledFrom([]string{"a", "b"}).Draw(t, "observer"),
			revision: rapid.Uint64Range(1, 12).Draw(t, "revision"),
		}
	}), 1, 40).Draw(t, "arrivals")
	var now time.Duration
	for i := range all {
		now++ // one nanosecond more, so that no event arrives exactly when a gap becomes overdue
		now += grace / 4 * time.Duration(rapid.IntRange(0, 3).Draw(t, "quarters"))
		all[i].at = now
	}
	return all
}

// overdueOf returns the revisions that must be reported: each revision above the observer's first revision that did not
// arrive within the time grace after the arrival of a higher revision.
func overdueOf(observer string, arrivals []arrivedEvent) []string {
	own := slices.DeleteFunc(slices.Clone(arrivals), func(a arrivedEvent) bool { return a.observer != observer })
	if len(own) == 0 {
		return nil
	}
	var overdue []string
	for r := own[0].revision + 1; r <= 12; r++ {
		noticed := slices.IndexFunc(own, func(a arrivedEvent) bool { return a.revision > r })
		arrived := slices.IndexFunc(own, func(a arrivedEvent) bool { return a.revision == r })
		if noticed < 0 || arrived >= 0 && own[arrived].at <= own[noticed].at+grace {
			continue
		}
		overdue = append(overdue, fmt.Sprintf("%s %d", observer, r))
	}
	return overdue
}

// single returns the revisions of the gaps one by one, sorted.
func single(t *rapid.T, gaps []string) []string {
	var revisions []string
	for _, gap := range gaps {
		var observer string
		var from, to uint64
		if _, err := fmt.Sscanf(gap, "%1s %d-%d", &observer, &from, &to); err != nil {
			t.Fatalf("%q: %v", gap, err)
		}
		for r := from; r <= to; r++ {
			revisions = append(revisions, fmt.Sprintf("%s %d", observer, r))
		}
	}
	slices.Sort(revisions)
	return revisions
}
