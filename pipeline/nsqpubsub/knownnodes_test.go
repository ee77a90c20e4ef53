package nsqpubsub

import (
	"errors"
	"slices"
	"testing"
	"time"
)

func TestKnownNodes(t *testing.T) {
	type step struct {
		after   time.Duration // time since the start of the test
		results []lookupResult
		want    []string
	}
	named := func(lookupd int, addrs ...string) lookupResult { return lookupResult{lookupd: lookupd, addrs: addrs} }
	failed := func(lookupd int) lookupResult { return lookupResult{lookupd: lookupd, err: errors.New("down")} }

	rows := map[string][]step{
		"static nsqd are known from the start, without duplicates": {
			{0, nil, []string{"static"}},
			{0, []lookupResult{named(0, "static", "a")}, []string{"a", "static"}},
		},
		"the results of all nsqlookupd are merged": {
			{0, []lookupResult{named(0, "a"), named(1, "b", "a")}, []string{"a", "b", "static"}},
		},
		"the last result of an nsqlookupd that fails is kept": {
			{0, []lookupResult{named(0, "a"), named(1)}, []string{"a", "static"}},
			{time.Hour, []lookupResult{failed(0), named(1)}, []string{"a", "static"}},
		},
		"an nsqd that is no longer named is known until ForgetAfter": {
			{0, []lookupResult{named(0, "a")}, []string{"a", "static"}},
			{time.Minute - 1, []lookupResult{named(0)}, []string{"a", "static"}},
		},
		"an nsqd that is no longer named is forgotten after ForgetAfter": {
			{0, []lookupResult{named(0, "a")}, []string{"a", "static"}},
			{time.Minute, []lookupResult{named(0)}, []string{"static"}},
		},
		"a forgotten nsqd that is named again is known again": {
			{0, []lookupResult{named(0, "a")}, []string{"a", "static"}},
			{time.Hour, []lookupResult{named(0)}, []string{"static"}},
			{time.Hour, []lookupResult{named(0, "a")}, []string{"a", "static"}},
		},
	}
	for name, steps := range rows {
		t.Run(name, func(t *testing.T) {
			known := newKnownNodes(&Cluster{NSQD: []string{"static", "static"}, Lookupd: []string{"l0", "l1"}, ForgetAfter: time.Minute})
			start := time.Now()
			for i, s := range steps {
				for _, r := range s.results {
					known.add(r)
				}
				if got := known.at(start.Add(s.after)); !slices.Equal(got, s.want) {
					t.Errorf("step %d: got %v, want %v", i, got, s.want)
				}
			}
		})
	}
}

func TestKnownNodesSettledAfterEveryLookupd(t *testing.T) {
	known := newKnownNodes(&Cluster{Lookupd: []string{"l0", "l1"}})
	known.add(lookupResult{lookupd: 0})
	if known.settled() {
		t.Error("settled after one of two nsqlookupd")
	}
	known.add(lookupResult{lookupd: 1, err: errors.New("down")})
	if !known.settled() {
		t.Error("not settled after both nsqlookupd")
	}
}
