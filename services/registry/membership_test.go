package registry_test

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"rollcall/events"
	"rollcall/services/registry"
)

func mustJSON(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestMembershipIsImmutable(t *testing.T) {
	r, _ := mustRun(t, registry.Config{})
	start := time.Now()
	var memberships []*registry.Membership
	var then []string
	keep := func() {
		s := mustMembers(t, r)
		memberships, then = append(memberships, s), append(then, mustJSON(t, s))
	}
	for round := range 12 {
		now := start.Add(time.Duration(round) * 4 * time.Second)
		for i := range 20 {
			h := heartbeatOf(i, uint64(round+1))
			switch {
			case i%5 == round%5: // server i is silent in this round
				continue
			case i%7 == round%7:
				h.Weight, h.Tags, h.Load = 0, []string{"green"}, &events.Load{InFlight: int64(round)}
			case i == round:
				h.Type = events.KindLeave
			case i == round+1:
				h.Incarnation++
			}
			mustObserve(t, r, h, now)
		}
		keep()
		mustTick(t, r, now)
		keep()
	}
	if first, last := memberships[0].Revision, memberships[len(memberships)-1].Revision; last < first+40 {
		t.Fatalf("only %d changes, too few for this test", last-first)
	}
	for i, s := range memberships {
		if now := mustJSON(t, s); now != then[i] {
			t.Errorf("membership %d changed\nfrom %s\n  to %s", i, then[i], now)
		}
	}
}

func TestMembersReturnsTheSameMembershipUntilItChanges(t *testing.T) {
	r, _ := mustRun(t, registry.Config{})
	now := time.Now()
	mustObserve(t, r, heartbeatOf(1, 1), now)
	first := mustMembers(t, r)
	for seq := uint64(2); seq < 10; seq++ {
		now = now.Add(100 * time.Millisecond)
		mustObserve(t, r, heartbeatOf(1, seq), now)
		mustTick(t, r, now)
		if s := mustMembers(t, r); s != first {
			t.Fatalf("a heartbeat without changes made a new membership")
		}
	}
	mustObserve(t, r, heartbeatOf(2, 1), now)
	if s := mustMembers(t, r); s == first || s.Len() != 2 || s.Revision != first.Revision+1 {
		t.Errorf("got %d servers at revision %d, want a new membership with 2 at %d", s.Len(), s.Revision, first.Revision+1)
	}
}

func TestVitalsAreCurrent(t *testing.T) {
	r, _ := mustRun(t, registry.Config{})
	now := time.Now()
	list := func() events.Server {
		t.Helper()
		service := mustMembers(t, r).Service("data")
		vitals, err := r.Vitals(t.Context(), service.Blocks, now, nil)
		if err != nil || len(vitals) != 1 {
			t.Fatalf("got %+v, %v", vitals, err)
		}
		current := *service.Blocks[0].Servers[0]
		vitals[0].Apply(&current)
		return current
	}
	mustObserve(t, r, heartbeatOf(1, 1), now)
	mustTicks(t, r, now, now.Add(1500*time.Millisecond))
	list()

	h := heartbeatOf(1, 2)
	h.Load = &events.Load{InFlight: 99}
	receipt := events.Receipt{Via: "127.0.0.1:5150", PublishedAt: now.Add(time.Second).Round(0), ReceivedAt: now.Add(1500 * time.Millisecond), Delay: 500 * time.Millisecond}
	if err := r.Observe(t.Context(), h, receipt); err != nil {
		t.Fatal(err)
	}
	now = now.Add(2 * time.Second)
	mustTick(t, r, now)
	got := list()
	seen := receipt.PublishedAt.UTC().Truncate(time.Millisecond)
	if got.Seq != 2 || got.Via != receipt.Via || got.Load.InFlight != 99 || got.AgeMS != 1000 || !got.LastSeen.Equal(seen) {
		t.Errorf("got %+v, want seq 2 via %s, load 99, age 1 s, last seen %v", got, receipt.Via, seen)
	}
	if old := mustMembers(t, r).Services[0].Server(got.ID); old.Seq != 1 || old.Load.InFlight != 3 {
		t.Errorf("Members has seq %d and load %d, want 1 and 3, as at the last transition", old.Seq, old.Load.InFlight)
	}

	mine, err := r.Vitals(t.Context(), mustMembers(t, r).Service("data").Blocks, now, nil)
	if err != nil {
		t.Fatal(err)
	}
	mine[0].Via = "mine"
	if got := list(); got.Via == "mine" {
		t.Error("a change to the result of Vitals is visible in another result")
	}
}

func TestQuery(t *testing.T) {
	server := func(id, service, zone string, state events.State, tags []string, meta map[string]string) *events.Server {
		return &events.Server{ID: id, Service: service, Zone: zone, State: state, Tags: tags, Meta: events.NewMeta(meta)}
	}
	all := registry.NewMembership([]*events.Server{
		server("1", "data", "a", events.StateAlive, []string{"blue", "ssd"}, map[string]string{"rack": "r1", "os": "x"}),
		server("2", "data", "b", events.StateSuspect, []string{"blue"}, map[string]string{"rack": "r2"}),
		server("3", "data", "a", events.StateDraining, nil, map[string]string{"rack": "r1", "empty": ""}),
		server("4", "web", "a", events.StateAlive, []string{"green"}, nil),
	})
	meta := func(pairs ...string) registry.Query {
		var q registry.Query
		for i := 0; i < len(pairs); i += 2 {
			q.Meta = append(q.Meta, events.MetaEntry{Key: pairs[i], Value: pairs[i+1]})
		}
		return q
	}
	for _, test := range []struct {
		name  string
		query registry.Query
		want  []string
	}{
		{"the zero query selects all", registry.Query{}, []string{"1", "2", "3", "4"}},
		{"by service", registry.Query{Service: "web"}, []string{"4"}},
		{"a service is not a prefix", registry.Query{Service: "dat"}, nil},
		{"by state", registry.Query{State: events.StateAlive}, []string{"1", "4"}},
		{"by zone", registry.Query{Zone: "b"}, []string{"2"}},
		{"by one of several tags", registry.Query{Tags: []string{"ssd"}}, []string{"1"}},
		{"by metadata", meta("rack", "r1"), []string{"1", "3"}},
		{"all entries must match", meta("rack", "r1", "os", "x"), []string{"1"}},
		{"another value does not match", meta("rack", "r3"), nil},
		{"an empty value is not an absent key", meta("empty", ""), []string{"3"}},
		{"all fields must match", registry.Query{Service: "data", Zone: "a", State: events.StateAlive, Tags: []string{"blue"}}, []string{"1"}},
		{"fields that exclude each other", registry.Query{Service: "web", Tags: []string{"blue"}}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			var got []string
			for _, s := range all.Select(test.query) {
				got = append(got, s.ID)
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}
