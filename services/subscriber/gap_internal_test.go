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

// came is a revision of an observer (default "a") that arrives when the test has run for at; its event
// happened at second told (default: the revision).
type came struct {
	at       time.Duration
	revision uint64
	told     int64
	observer string
}

func (c came) transition() events.Transition {
	t := events.Transition{Observer: "a", Revision: c.revision, Time: time.Unix(int64(c.revision), 0)}
	if c.told != 0 {
		t.Time = time.Unix(c.told, 0)
	}
	if c.observer != "" {
		t.Observer = c.observer
	}
	return t
}

// play feeds arrivals, in the order of their time, and until end, as loop does: what is due meanwhile is
// told when it is due.
func play(g *gaps, arrivals []came, end time.Duration) []string {
	var told []string
	until := func(now time.Duration) {
		for _, gap := range g.overdue(now) {
			told = append(told, fmt.Sprintf("%s %d-%d", gap.Observer, gap.From, gap.To))
		}
	}
	for _, c := range arrivals {
		until(c.at - 1)
		if g.observe(c.transition(), c.at) {
			told = append(told, c.transition().Observer+" restarted")
		}
		until(c.at)
	}
	until(end)
	return told
}

func TestGaps(t *testing.T) {
	const s = time.Second
	for _, tc := range []struct {
		rule     string
		arrivals []came
		end      time.Duration // default: long after
		want     []string
	}{
		{rule: "in order nothing is missing", arrivals: []came{{revision: 7}, {revision: 8}, {revision: 9}}},
		{rule: "what was before the first is not missed", arrivals: []came{{revision: 500}, {revision: 501}}},
		{rule: "a missing one is told", arrivals: []came{{revision: 3}, {revision: 5}}, want: []string{"a 4-4"}},
		{
			rule:     "it is not told before the grace ends",
			arrivals: []came{{revision: 3}, {revision: 5}}, end: grace - 1,
		},
		{
			rule:     "late but within the grace is no gap",
			arrivals: []came{{revision: 3}, {revision: 5}, {at: grace, revision: 4}},
		},
		{
			rule:     "too late is a gap, and no restart when it comes",
			arrivals: []came{{revision: 3}, {revision: 5}, {at: grace + 1, revision: 4}, {at: 3 * s, revision: 6}},
			want:     []string{"a 4-4"},
		},
		{
			rule:     "a range is told as one",
			arrivals: []came{{revision: 1}, {revision: 1000}},
			want:     []string{"a 2-999"},
		},
		{
			rule:     "what comes from the middle of a range splits it",
			arrivals: []came{{revision: 1}, {revision: 10}, {at: s, revision: 5}},
			want:     []string{"a 2-4", "a 6-9"},
		},
		{
			rule:     "the ends of a range come off without a rest",
			arrivals: []came{{revision: 1}, {revision: 5}, {revision: 2}, {revision: 4}, {revision: 3}},
		},
		{
			rule:     "each part of a loss has a grace of its own",
			arrivals: []came{{revision: 1}, {revision: 3}, {at: s, revision: 5}}, end: grace + s - 1,
			want: []string{"a 2-2"},
		},
		{
			rule:     "a duplicate is nothing",
			arrivals: []came{{revision: 3}, {revision: 4}, {revision: 3}, {revision: 4}, {revision: 5}},
		},
		{
			rule:     "smaller than the first is late, not a restart",
			arrivals: []came{{revision: 5}, {revision: 4}, {revision: 6}},
		},
		{
			rule:     "times that cross are no restart",
			arrivals: []came{{revision: 4, told: 6}, {revision: 5, told: 5}, {revision: 4, told: 6}, {revision: 6}},
		},
		{
			rule:     "smaller and told later is a restart",
			arrivals: []came{{revision: 50}, {revision: 1, told: 60}, {revision: 2, told: 61}},
			want:     []string{"a restarted"},
		},
		{
			rule:     "the same revision told later is a restart",
			arrivals: []came{{revision: 1}, {revision: 1, told: 60}},
			want:     []string{"a restarted"},
		},
		{
			rule: "a restart is told once, though its revisions come out of order",
			arrivals: []came{
				{revision: 50}, {revision: 3, told: 63}, {revision: 1, told: 64}, {revision: 2, told: 62},
			},
			want: []string{"a restarted"},
		},
		{
			rule:     "what the new life misses is told",
			arrivals: []came{{revision: 50}, {revision: 3, told: 63}, {revision: 2, told: 62}},
			want:     []string{"a restarted", "a 1-1"},
		},
		{
			rule:     "what the old life missed is told by the restart",
			arrivals: []came{{revision: 50}, {revision: 52}, {revision: 1, told: 60}},
			want:     []string{"a restarted"},
		},
		{
			rule: "an event of the old life is no part of the new",
			arrivals: []came{
				{revision: 50}, {revision: 60}, {revision: 1, told: 61}, {revision: 55}, {revision: 59, told: 60},
				{revision: 2, told: 62},
			},
			want: []string{"a restarted"},
		},
		{
			rule: "observers count apart",
			arrivals: []came{
				{revision: 1}, {observer: "b", revision: 7}, {revision: 3}, {observer: "b", revision: 8},
			},
			want: []string{"a 2-2"},
		},
		{
			rule: "the restart of one is not that of another",
			arrivals: []came{
				{observer: "b", revision: 1}, {observer: "b", revision: 3}, {revision: 50}, {revision: 1, told: 60},
			},
			want: []string{"a restarted", "b 2-2"},
		},
		{rule: "no revision is no gap", arrivals: []came{{revision: 5}, {revision: 0, told: 60}, {revision: 6}}},
		{
			rule: "the highest revision there is",
			arrivals: []came{
				{revision: math.MaxUint64 - 2, told: 1}, {revision: math.MaxUint64, told: 3},
				{revision: math.MaxUint64, told: 3}, {revision: math.MaxUint64 - 1, told: 2},
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
				t.Errorf("told %q, want %q", got, tc.want)
			}
		})
	}
}

func TestGapsAreBounded(t *testing.T) {
	g := newGaps(grace)
	arrivals := make([]came, maxMissing+3)
	for i := range arrivals {
		arrivals[i].revision = uint64(2*i + 1)
	}
	if told := play(&g, arrivals, 0); !slices.Equal(told, []string{"a 2-2", "a 4-4"}) {
		t.Errorf("told %q before the grace ended, want the two oldest of %d", told, maxMissing+2)
	}
	if len(g.missing) != maxMissing {
		t.Errorf("%d missing are kept, want %d", len(g.missing), maxMissing)
	}
}

func TestTheQuietestObserverIsForgotten(t *testing.T) {
	g := newGaps(grace)
	for i := range maxObservers + 1 {
		at := time.Duration(i) * time.Second
		play(&g, []came{{at: at, revision: 1, observer: fmt.Sprint("o", i)}, {at: at, revision: 2, observer: "o0"}}, at)
	}
	if len(g.observers) != maxObservers {
		t.Errorf("%d observers are kept, want %d", len(g.observers), maxObservers)
	}
	if g.observers["o0"] == nil || g.observers["o1"] != nil {
		t.Error("want the second forgotten, and the first, which was heard of since, kept")
	}
}

// Revisions of two observers come in any order, some twice, some never, at any pace.
func TestExactlyTheMissingAreTold(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		arrivals := drawArrivals(t)
		g := newGaps(grace)
		told := play(&g, arrivals, arrivals[len(arrivals)-1].at+grace)

		var want []string
		for _, observer := range []string{"a", "b"} {
			want = append(want, overdueOf(observer, arrivals)...)
		}
		slices.Sort(want)
		if got := one(t, told); !slices.Equal(got, want) {
			t.Fatalf("told %q, want %q", got, want)
		}
	})
}

func TestNothingIsToldOfWhatComesWithinTheGrace(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 40).Draw(t, "revisions")
		all := make([]came, 0, 2*n)
		for r := 1; r <= n; r++ {
			for range rapid.IntRange(1, 2).Draw(t, "copies") {
				all = append(all, came{revision: uint64(r)})
			}
		}
		all = rapid.Permutation(all).Draw(t, "order")
		for i := range all {
			all[i].at = grace * time.Duration(i) / time.Duration(len(all))
		}
		g := newGaps(grace)
		if told := play(&g, all, time.Hour); len(told) > 0 {
			t.Fatalf("told %q of %v", told, all)
		}
	})
}

func drawArrivals(t *rapid.T) []came {
	all := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) came {
		return came{
			observer: rapid.SampledFrom([]string{"a", "b"}).Draw(t, "observer"),
			revision: rapid.Uint64Range(1, 12).Draw(t, "revision"),
		}
	}), 1, 40).Draw(t, "arrivals")
	var now time.Duration
	for i := range all {
		now++ // so that nothing comes at the very moment when it is overdue
		now += grace / 4 * time.Duration(rapid.IntRange(0, 3).Draw(t, "quarters"))
		all[i].at = now
	}
	return all
}

// overdueOf says by definition what must be told: a revision above the observer's first that had not come when
// the grace had passed since a higher one came.
func overdueOf(observer string, arrivals []came) []string {
	own := slices.DeleteFunc(slices.Clone(arrivals), func(c came) bool { return c.observer != observer })
	if len(own) == 0 {
		return nil
	}
	var overdue []string
	for r := own[0].revision + 1; r <= 12; r++ {
		noticed := slices.IndexFunc(own, func(c came) bool { return c.revision > r })
		arrived := slices.IndexFunc(own, func(c came) bool { return c.revision == r })
		if noticed < 0 || arrived >= 0 && own[arrived].at <= own[noticed].at+grace {
			continue
		}
		overdue = append(overdue, fmt.Sprintf("%s %d", observer, r))
	}
	return overdue
}

// one lists the single revisions of the gaps told, sorted.
func one(t *rapid.T, told []string) []string {
	var single []string
	for _, gap := range told {
		var observer string
		var from, to uint64
		if _, err := fmt.Sscanf(gap, "%1s %d-%d", &observer, &from, &to); err != nil {
			t.Fatalf("%q: %v", gap, err)
		}
		for r := from; r <= to; r++ {
			single = append(single, fmt.Sprintf("%s %d", observer, r))
		}
	}
	slices.Sort(single)
	return single
}
