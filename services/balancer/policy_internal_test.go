package balancer

import (
	"testing"

	"rollcall/events"
)

// A new view is visible before the pickers follow it, so that a Pick during the first Update can precede the first call of follow.
func TestPickBeforeFirstFollow(t *testing.T) {
	e := &Endpoint{}
	e.server.Store(&events.Server{ID: "a", Weight: 100, State: events.StateAlive})
	g := group{}
	g.add(e, weights{100, 100})
	g.publish()
	v := &view{candidates: newCandidates(&g)}
	for _, policy := range Policies() {
		t.Run(string(policy), func(t *testing.T) {
			p := newPicker(policy)
			if got := v.pick(p, 0, nil); got != e {
				t.Errorf("before follow: picked %v, want the only candidate", got)
			}
			if f, ok := p.(follower); ok {
				f.follow(v.candidates, []change{{e, weights{}, weights{100, 100}}})
			}
			if got := p.pick(v.candidates, 0); got != e {
				t.Errorf("after follow: picked %v, want the only candidate", got)
			}
		})
	}
}
