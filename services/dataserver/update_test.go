package dataserver_test

import (
	"context"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"rollcall/events"
	"rollcall/services/dataserver"
)

func TestUpdateIsPublishedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newRecorder()
		a := mustAgent(t, dataserver.Config{Addr: addr, Publisher: p})
		r := start(t, a.Run)
		time.Sleep(4 * time.Second)
		mustUpdate(t, a, func(d *dataserver.Description) {
			d.Drained = true
			d.Tags = append(d.Tags, "blue")
			d.Meta["rack"] = "r7"
		})
		synctest.Wait()
		got := p.last(t)
		if rack, _ := got.Meta.Get("rack"); got.at != 4*time.Second || got.Weight != 0 || got.Tags[0] != "blue" || rack != "r7" {
			t.Errorf("got %+v, want the update after 4s", got)
		}
		mustUpdate(t, a, func(d *dataserver.Description) { d.Drained = false })
		time.Sleep(100 * time.Millisecond)
		synctest.Wait()
		if got := p.last(t); got.Weight != events.DefaultWeight || got.Tags[0] != "blue" {
			t.Errorf("got %+v, want the default weight and the other fields as before", got)
		}
		before := len(p.all())
		time.Sleep(4 * time.Second)
		if n := len(p.all()) - before; n != 0 {
			t.Errorf("%d extra heartbeats within an interval after an update", n)
		}
		mustStop(t, r)
	})
}

func TestManyUpdatesAreRateLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newRecorder()
		a := mustAgent(t, dataserver.Config{Addr: addr, Publisher: p})
		r := start(t, a.Run)
		const updates = 2000
		for i := range updates {
			mustUpdate(t, a, func(d *dataserver.Description) { d.Version = strconv.Itoa(i) })
			time.Sleep(time.Millisecond)
		}
		time.Sleep(200 * time.Millisecond)
		beats := p.all()
		for i := 1; i < len(beats); i++ {
			if gap := beats[i].at - beats[i-1].at; gap < 100*time.Millisecond {
				t.Errorf("heartbeat %d follows the one before it after %v", i+1, gap)
			}
		}
		if last := beats[len(beats)-1]; last.Version != strconv.Itoa(updates-1) {
			t.Errorf("the last published update is %s of %d", last.Version, updates)
		}
		if len(beats) < 20 {
			t.Errorf("%d heartbeats for two seconds of updates", len(beats))
		}
		mustStop(t, r)
	})
}

func TestUpdatesInATightLoopDoNotBlockHeartbeats(t *testing.T) {
	t.Parallel()
	p := newRecorder()
	a := mustAgent(t, dataserver.Config{Addr: addr, Publisher: p})
	r := start(t, a.Run)
	end := time.Now().Add(10 * time.Second)
	for len(p.all()) < 5 && time.Now().Before(end) {
		mustUpdate(t, a, func(*dataserver.Description) {})
	}
	beats := p.all()
	if took := beats[len(beats)-1].at; len(beats) < 5 || took > 2*time.Second {
		t.Errorf("%d heartbeats in %v, want 5 in about 400ms", len(beats), took)
	}
	mustStop(t, r)
}

func TestUpdateDuringPublishFollowsInNextHeartbeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newRecorder()
		p.answer = func(context.Context, events.Heartbeat) error {
			time.Sleep(50 * time.Millisecond)
			return nil
		}
		a := mustAgent(t, dataserver.Config{Addr: addr, Publisher: p})
		r := start(t, a.Run)
		time.Sleep(10 * time.Millisecond)
		mustUpdate(t, a, func(d *dataserver.Description) { d.Version = "2" })
		time.Sleep(100 * time.Millisecond)
		if got := p.last(t); got.Version != "2" || got.at != 100*time.Millisecond {
			t.Errorf("got %+v, want the update after 100ms", got)
		}
		mustStop(t, r)
	})
}

func TestUpdateBeforeRunIsInFirstHeartbeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for range 20 { // repeated, because select tries its cases in random order, which must not matter
			p := newRecorder()
			a := mustAgent(t, dataserver.Config{Addr: addr, Publisher: p})
			mustUpdate(t, a, func(d *dataserver.Description) { d.Version = "2" })
			r := start(t, a.Run)
			time.Sleep(900 * time.Millisecond)
			if beats := p.all(); len(beats) != 1 || beats[0].Version != "2" {
				t.Fatalf("got %+v, want one heartbeat with version 2", beats)
			}
			mustStop(t, r)
		}
	})
}

func TestInvalidUpdateChangesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newRecorder()
		a := mustAgent(t, dataserver.Config{Addr: addr, Publisher: p, Description: dataserver.Description{Version: "1"}})
		r := start(t, a.Run)
		synctest.Wait()
		err := a.Update(func(d *dataserver.Description) { d.Version, d.Weight, d.Zone = "2", 1001, "a\n" })
		if err == nil || !strings.Contains(err.Error(), "Weight") || !strings.Contains(err.Error(), "Zone") {
			t.Errorf("got error %v, want one that names Weight and Zone", err)
		}
		time.Sleep(3 * time.Second)
		if got := p.last(t); got.Version != "1" || got.Seq != 3 {
			t.Errorf("got %+v, want the third heartbeat like the first", got)
		}
		mustStop(t, r)
	})
}

func TestCallersMemoryIsCopied(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newRecorder()
		meta, tags := map[string]string{"rack": "r7"}, []string{"blue"}
		a := mustAgent(t, dataserver.Config{Addr: addr, Publisher: p, Description: dataserver.Description{Meta: meta, Tags: tags}})
		meta["rack"], tags[0] = "changed", "changed"
		var kept *dataserver.Description
		mustUpdate(t, a, func(d *dataserver.Description) { kept = d })
		kept.Meta["rack"], kept.Tags[0] = "changed", "changed"
		r := start(t, a.Run)
		synctest.Wait()
		if rack, _ := p.last(t).Meta.Get("rack"); rack != "r7" || p.last(t).Tags[0] != "blue" {
			t.Errorf("got %+v", p.last(t))
		}
		mustStop(t, r)
	})
}

func TestConcurrentUpdates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newRecorder()
		a := mustAgent(t, dataserver.Config{Addr: addr, Publisher: p})
		r := start(t, a.Run)
		var all sync.WaitGroup
		for i := range 16 {
			all.Go(func() {
				mustUpdate(t, a, func(d *dataserver.Description) { d.Meta[strconv.Itoa(i)] = "x" })
			})
		}
		all.Wait()
		time.Sleep(200 * time.Millisecond)
		if got := len(p.last(t).Meta); got != 16 {
			t.Errorf("%d of 16 updates were published", got)
		}
		mustStop(t, r)
	})
}

func mustUpdate(t testing.TB, a *dataserver.Agent, change func(*dataserver.Description)) {
	t.Helper()
	if err := a.Update(change); err != nil {
		t.Error(err)
	}
}
