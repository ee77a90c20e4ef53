package registry_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"rollcall/events"
	"rollcall/services/registry"
)

// While a suspect does not answer, the channel that Probes returns delivers one probe per second, and no more.
func TestSuspectIsProbedOncePerSecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, stop := mustRun(t, registry.Config{Probing: true})
		start := time.Now()
		mustTicks(t, r, start, start.Add(20*time.Second)) // until the mode is normal
		published := start.Add(20 * time.Second)
		mustObserve(t, r, heartbeatOf(1, 1), published)
		mustTicks(t, r, published, published.Add(6750*time.Millisecond))
		synctest.Wait()
		select {
		case p := <-r.Probes():
			t.Fatalf("probe of %v, which is not suspect", p)
		default:
		}

		var probed []time.Duration
		for after := 7 * time.Second; after < 10*time.Second; after += 250 * time.Millisecond {
			mustTick(t, r, published.Add(after))
			synctest.Wait()
			select {
			case p := <-r.Probes():
				probed = append(probed, after)
				if want := heartbeatOf(1, 1); p.ID != want.ID || p.Addr != want.Addr || p.Incarnation != want.Incarnation {
					t.Errorf("probe of %+v, want %+v", p, want)
				}
				at := published.Add(after)
				e := registry.Evidence{Probe: p, Finding: registry.FindingSilent, Source: registry.SourceProbe, Began: at, Ended: at}
				if err := r.Report(t.Context(), e); err != nil {
					t.Fatal(err)
				}
			default:
			}
		}
		if len(probed) != 3 || probed[0] != 7*time.Second || probed[1] != 8*time.Second || probed[2] != 9*time.Second {
			t.Errorf("probes after %v, want 7, 8 and 9 s", probed)
		}
		mustTick(t, r, published.Add(10*time.Second))
		var types []events.Type
		for _, e := range <-r.Events() {
			types = append(types, e.Type())
		}
		if want := []events.Type{events.TypeMode, events.TypeRegistered, events.TypeSuspected, events.TypeExpired}; !slices.Equal(types, want) {
			t.Errorf("got %s, want %s", types, want)
		}
		stop()
	})
}

// A heartbeat cancels a probe that no prober has taken yet.
func TestHeartbeatCancelsProbe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, stop := mustRun(t, registry.Config{Probing: true})
		start := time.Now()
		mustObserve(t, r, heartbeatOf(1, 1), start)
		mustTicks(t, r, start, start.Add(7*time.Second))
		if st, err := r.Stats(t.Context()); err != nil || st.Suspects != 1 || st.ProbesQueued != 1 {
			t.Fatalf("%d suspects and %d probes queued, %v; want one of each", st.Suspects, st.ProbesQueued, err)
		}
		mustObserve(t, r, heartbeatOf(1, 2), start.Add(7*time.Second))
		synctest.Wait()
		select {
		case p := <-r.Probes():
			t.Errorf("probe of %v, which has sent a heartbeat", p)
		default:
		}
		stop()
	})
}

func TestEvidenceAboutAnotherServerIsIgnored(t *testing.T) {
	r, _ := mustRun(t, registry.Config{Probing: true})
	now := time.Now()
	mustObserve(t, r, heartbeatOf(1, 1), now)
	h := heartbeatOf(1, 1)
	for name, p := range map[string]registry.Probe{
		"an older incarnation": {Service: h.Service, ID: h.ID, Addr: h.Addr, Incarnation: h.Incarnation - 1},
		"another address":      {Service: h.Service, ID: h.ID, Addr: "10.9.9.9:80", Incarnation: h.Incarnation},
		"an unknown server":    {Service: h.Service, ID: "nobody", Addr: h.Addr, Incarnation: h.Incarnation},
	} {
		e := registry.Evidence{Probe: p, Finding: registry.FindingRefused, Source: registry.SourceProbe, Began: now.Add(time.Second), Ended: now.Add(time.Second)}
		if err := r.Report(t.Context(), e); err != nil {
			t.Fatal(err)
		}
		if s := mustMembers(t, r); s.Counts().Alive != 1 {
			t.Errorf("%s: the server is no longer alive", name)
		}
	}
}
