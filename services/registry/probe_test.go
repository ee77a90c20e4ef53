package registry_test

import (
	"testing"
	"testing/synctest"
	"time"

	"rollcall/events"
	"rollcall/services/registry"
)

// A suspect is asked by whoever reads Probes, once a second as long as nobody answers for it, and no question piles up.
func TestProbesAreAskedOnceASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, stop := mustRun(t, registry.Config{Probing: true})
		start := time.Now()
		mustTicks(t, r, start, start.Add(20*time.Second)) // warm
		heard := start.Add(20 * time.Second)
		mustObserve(t, r, heartbeatOf(1, 1), heard)
		mustTicks(t, r, heard, heard.Add(6750*time.Millisecond))
		synctest.Wait()
		select {
		case p := <-r.Probes():
			t.Fatalf("asked for %v, which is not suspect", p)
		default:
		}

		var asked []time.Duration
		for after := 7 * time.Second; after < 10*time.Second; after += 250 * time.Millisecond {
			mustTick(t, r, heard.Add(after))
			synctest.Wait()
			select {
			case p := <-r.Probes():
				asked = append(asked, after)
				if want := heartbeatOf(1, 1); p.ID != want.ID || p.Addr != want.Addr || p.Incarnation != want.Incarnation {
					t.Errorf("asked for %+v, want %+v", p, want)
				}
				at := heard.Add(after)
				e := registry.Evidence{Probe: p, Finding: registry.FindingSilent, Source: registry.SourceProbe, Began: at, Ended: at}
				if err := r.Report(t.Context(), e); err != nil {
					t.Fatal(err)
				}
			default:
			}
		}
		if len(asked) != 3 || asked[0] != 7*time.Second || asked[1] != 8*time.Second || asked[2] != 9*time.Second {
			t.Errorf("asked after %v, want 7, 8 and 9 s", asked)
		}
		mustTick(t, r, heard.Add(10*time.Second))
		for _, want := range []events.Type{events.TypeMode, events.TypeRegistered, events.TypeSuspected, events.TypeExpired} {
			if e := <-r.Events(); e.Type() != want {
				t.Errorf("got %s, want %s", e.Type(), want)
			}
		}
		stop()
	})
}

// A question that nobody has taken when the server is heard is not asked any more.
func TestAQuestionEndsWithItsReason(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, stop := mustRun(t, registry.Config{Probing: true})
		start := time.Now()
		mustObserve(t, r, heartbeatOf(1, 1), start)
		mustTicks(t, r, start, start.Add(7*time.Second))
		if st, err := r.Stats(t.Context()); err != nil || st.Suspects != 1 || st.ProbesQueued != 1 {
			t.Fatalf("%d suspects and %d questions, %v; want one and one", st.Suspects, st.ProbesQueued, err)
		}
		mustObserve(t, r, heartbeatOf(1, 2), start.Add(7*time.Second))
		synctest.Wait()
		select {
		case p := <-r.Probes():
			t.Errorf("asked for %v, which is heard", p)
		default:
		}
		stop()
	})
}

// What another process of the same address and id did is no matter of this one.
func TestEvidenceOfAnotherIncarnationIsNone(t *testing.T) {
	r, _ := mustRun(t, registry.Config{Probing: true})
	now := time.Now()
	mustObserve(t, r, heartbeatOf(1, 1), now)
	h := heartbeatOf(1, 1)
	for name, p := range map[string]registry.Probe{
		"an older incarnation": {Service: h.Service, ID: h.ID, Addr: h.Addr, Incarnation: h.Incarnation - 1},
		"another address":      {Service: h.Service, ID: h.ID, Addr: "10.9.9.9:80", Incarnation: h.Incarnation},
		"a server of no name":  {Service: h.Service, ID: "nobody", Addr: h.Addr, Incarnation: h.Incarnation},
	} {
		e := registry.Evidence{Probe: p, Finding: registry.FindingRefused, Source: registry.SourceProbe, Began: now.Add(time.Second), Ended: now.Add(time.Second)}
		if err := r.Report(t.Context(), e); err != nil {
			t.Fatal(err)
		}
		if s := mustMembers(t, r, registry.Query{State: events.StateAlive}); len(s.Servers) != 1 {
			t.Errorf("%s: the server is not alive any more", name)
		}
	}
}
