package apiserver

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"rollcall/events"
	"rollcall/services/registry"
)

func TestIndexOfAFilterIsComputedOnceForAMembership(t *testing.T) {
	x := &indexes{turns: newTurns()}
	members := func(generation uint64, zones ...string) *registry.Membership {
		var servers []*events.Server
		for i, zone := range zones {
			servers = append(servers, &events.Server{Service: "data", ID: fmt.Sprint(i), Zone: zone})
		}
		m := registry.NewMembership(servers)
		m.Generation = generation
		return m
	}
	of := func(m *registry.Membership, q Query) uint64 {
		t.Helper()
		index, err := x.of(t.Context(), m, q)
		if err != nil {
			t.Fatal(err)
		}
		return index
	}
	a, b := Query{Zone: "a"}, Query{Zone: "b"}
	first, none := members(7, "a", "b"), members(7) // two memberships with the same generation, to see which one is read
	if got := of(first, a); got != first.Index(a.selection()) || got == of(first, b) {
		t.Errorf("index %d", got)
	}
	if of(none, a) != of(first, a) {
		t.Error("the index was computed again")
	}
	if got := of(none, Query{Service: "data"}); got != none.Index(registry.Query{Service: "data"}) {
		t.Errorf("index %d of a whole service", got)
	}
	if got := of(members(8), a); got == of(first, a) || of(first, b) != first.Index(b.selection()) {
		t.Errorf("index %d of a newer membership", got)
	}
	if got := of(members(8), b); got != members(8).Index(b.selection()) {
		t.Errorf("index %d, which is that of an older membership", got)
	}
	for i := range 3 * keptIndexes {
		of(first, Query{Zone: fmt.Sprint(i)})
		of(members(8, "a"), Query{Zone: fmt.Sprint(i)})
	}
	if len(x.known) > keptIndexes {
		t.Errorf("%d indexes are kept", len(x.known))
	}
}

func TestIndexDoesNotWaitForever(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x, begun := &indexes{turns: make(turns)}, time.Now() // no turn becomes free
		_, err := x.of(t.Context(), registry.NewMembership(nil), Query{Zone: "a"})
		if took := time.Since(begun); !errors.Is(err, context.DeadlineExceeded) || took != queryTimeout {
			t.Errorf("got %v after %v", err, took)
		}
	})
}
