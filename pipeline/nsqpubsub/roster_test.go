package nsqpubsub

import (
	"errors"
	"slices"
	"testing"
	"time"
)

func TestRoster(t *testing.T) {
	type step struct {
		after   time.Duration // since the start
		answers []answer
		want    []string
	}
	down := errors.New("down")
	says := func(lookupd int, addrs ...string) answer { return answer{lookupd: lookupd, addrs: addrs} }
	fails := func(lookupd int) answer { return answer{lookupd: lookupd, err: down} }

	rows := map[string][]step{
		"static ones are known from the start, each once": {
			{0, nil, []string{"static"}},
			{0, []answer{says(0, "static", "a")}, []string{"a", "static"}},
		},
		"what any nsqlookupd names is known": {
			{0, []answer{says(0, "a"), says(1, "b", "a")}, []string{"a", "b", "static"}},
		},
		"the last word of a dead nsqlookupd stays": {
			{0, []answer{says(0, "a"), says(1)}, []string{"a", "static"}},
			{time.Hour, []answer{fails(0), says(1)}, []string{"a", "static"}},
		},
		"one no longer named stays a tick short of a minute": {
			{0, []answer{says(0, "a")}, []string{"a", "static"}},
			{time.Minute - 1, []answer{says(0)}, []string{"a", "static"}},
		},
		"and is dropped after it": {
			{0, []answer{says(0, "a")}, []string{"a", "static"}},
			{time.Minute, []answer{says(0)}, []string{"static"}},
		},
		"one that comes back is known again": {
			{0, []answer{says(0, "a")}, []string{"a", "static"}},
			{time.Hour, []answer{says(0)}, []string{"static"}},
			{time.Hour, []answer{says(0, "a")}, []string{"a", "static"}},
		},
	}
	for name, steps := range rows {
		t.Run(name, func(t *testing.T) {
			r := newRoster(&Cluster{NSQD: []string{"static", "static"}, Lookupd: []string{"l0", "l1"}, ForgetAfter: time.Minute})
			start := time.Now()
			for i, s := range steps {
				for _, a := range s.answers {
					r.answered(a)
				}
				if got := r.at(start.Add(s.after)); !slices.Equal(got, s.want) {
					t.Errorf("step %d: got %v, want %v", i, got, s.want)
				}
			}
		})
	}
}

func TestRosterIsSettledWhenEachNsqlookupdHasAnsweredOrFailed(t *testing.T) {
	r := newRoster(&Cluster{Lookupd: []string{"l0", "l1"}})
	r.answered(answer{lookupd: 0})
	if r.settled() {
		t.Error("settled with one of two")
	}
	r.answered(answer{lookupd: 1, err: errors.New("down")})
	if !r.settled() {
		t.Error("not settled with both")
	}
}
