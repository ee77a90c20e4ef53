package balancer_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"rollcall/events"
	"rollcall/services/balancer"
)

// owners picks a server for each of the keys 0 to 19 999, and returns the ids of these servers.
func owners(b *balancer.Balancer) []string {
	of := make([]string, 20_000)
	for i := range of {
		of[i] = idOf(b.Pick(uint64(i), nil))
	}
	return of
}

func TestKeyOfNeverChanges(t *testing.T) {
	for key, want := range map[string]uint64{"": 0xf52a15e9a9b5e89b, "a": 0x2c0bdbf481420f8, "s0000": 0xbbda42276502fe61} {
		if got := balancer.KeyOf(key); got != want {
			t.Errorf("%q: %#x, want %#x", key, got, want)
		}
	}
}

func TestHashMovesOnlyKeysOfChangedServer(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		weights := rapid.SliceOfN(rapid.IntRange(1, 1000), 2, 8).Draw(t, "weights")
		all := servers(weights...)
		one := rapid.IntRange(0, len(all)-1).Draw(t, "server")
		fewer := slices.Delete(slices.Clone(all), one, one+1)
		b, err := balancer.New(balancer.Config{Policy: balancer.Hash})
		if err != nil {
			t.Fatal(err)
		}
		b.Update(all, start)
		before := owners(b)
		b.Update(fewer, start)
		without := owners(b)
		b.Update(all, start.Add(time.Hour)) // after an hour, the removed server counts as a new server and has a slow start
		after := owners(b)
		for i := range before {
			if before[i] != without[i] && before[i] != all[one].ID {
				t.Fatalf("key %d moved from %s to %s when %s was removed", i, before[i], without[i], all[one].ID)
			}
		}
		if !slices.Equal(before, after) {
			t.Fatal("keys moved when a server was removed and added again")
		}
	})
}

func TestHashDependsOnlyOnMembership(t *testing.T) {
	all := differing(9)
	a, b := mustNew(t, balancer.Config{Policy: balancer.Hash}), mustNew(t, balancer.Config{Policy: balancer.Hash})
	a.Update(all, start)
	for i := range all {
		some := slices.Clone(all[i:])
		slices.Reverse(some)
		b.Update(some, start)
	}
	reversed := slices.Clone(all)
	slices.Reverse(reversed)
	b.Update(reversed, start)
	if !slices.Equal(owners(a), owners(b)) {
		t.Error("two balancers with the same servers send a key to different servers")
	}
}

func TestHashRetriesOnNextServerOfKey(t *testing.T) {
	b := mustNew(t, balancer.Config{Policy: balancer.Hash})
	all := differing(5)
	b.Update(all, start)
	for key := range uint64(100) {
		owner := b.Pick(key, nil)
		next := b.Pick(key, []*balancer.Endpoint{owner})
		rest := slices.DeleteFunc(slices.Clone(all), func(s *events.Server) bool { return s.ID == idOf(owner) })
		without := mustNew(t, balancer.Config{Policy: balancer.Hash})
		if key%20 == 0 { // only for every 20th key, because this Update builds a whole table
			without.Update(rest, start)
			if want := without.Pick(key, nil); idOf(next) != idOf(want) {
				t.Errorf("key %d: tried %s, got %s, want %s, which owns the key without the first server", key, idOf(owner), idOf(next), idOf(want))
			}
		}
		if next == nil || next == owner || next != b.Pick(key, []*balancer.Endpoint{owner}) {
			t.Fatalf("key %d: tried %s, got %s", key, idOf(owner), idOf(next))
		}
	}
}

func ExampleKeyOf() {
	b, _ := balancer.New(balancer.Config{Policy: balancer.Hash})
	b.Update([]*events.Server{
		{ID: "a", State: events.StateAlive, Weight: 100},
		{ID: "b", State: events.StateAlive, Weight: 100},
	}, time.Now())
	first := b.Pick(balancer.KeyOf("session 7"), nil)
	again := b.Pick(balancer.KeyOf("session 7"), nil)
	fmt.Println(first == again)
	// Output: true
}
