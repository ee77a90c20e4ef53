package subscriber

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"rollcall/events"
	"rollcall/pipeline/nsqpubsub"
)

// startLoop runs a loop. The function arrive delivers an event. The function reported returns the times at which OnGap was
// called.
func startLoop(t *testing.T, h Handler) (arrive func(revision uint64), reported func() []time.Duration) {
	t.Helper()
	start := time.Now()
	var mu sync.Mutex
	var times []time.Duration
	cfg := Config{OnGap: func(Gap) {
		mu.Lock()
		defer mu.Unlock()
		times = append(times, time.Since(start))
	}}
	cfg.setDefaults()
	l := newLoop(cfg, h)
	ended := make(chan error, 1)
	stopped := make(chan error, 1)
	go func() { stopped <- l.run(t.Context(), ended) }()
	t.Cleanup(func() {
		ended <- nil
		if err := <-stopped; err != nil {
			t.Error(err)
		}
	})
	arrive = func(revision uint64) {
		t.Helper()
		d := events.Transition{
			ID: time.Unix(int64(revision), 0).String(), Time: time.Unix(int64(revision), 0), Revision: revision,
			Observer: "a", Server: events.Server{Service: "data", ID: "s1"},
		}
		body, err := events.Encode(events.ServerUpdated{Transition: d})
		if err != nil {
			t.Fatal(err)
		}
		if err := l.deliver(t.Context(), &nsqpubsub.Delivery{Body: body}); err != nil {
			t.Fatal(err)
		}
	}
	return arrive, func() []time.Duration {
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(times)
	}
}

func succeed(context.Context, events.Event) error { return nil }

func TestGapIsReportedWithoutFurtherEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		arrive, reported := startLoop(t, succeed)
		arrive(1)
		time.Sleep(time.Minute)
		arrive(3)
		time.Sleep(time.Minute)
		if got, want := reported(), []time.Duration{time.Minute + grace}; !slices.Equal(got, want) {
			t.Errorf("OnGap was called after %v, want %v", got, want)
		}
	})
}

func TestLateRevisionStopsTheAlarm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		arrive, reported := startLoop(t, succeed)
		arrive(1)
		arrive(3)
		time.Sleep(grace - 1)
		arrive(2)
		time.Sleep(time.Minute)
		if got := reported(); len(got) > 0 {
			t.Errorf("OnGap was called after %v, want no call", got)
		}
	})
}

func TestGraceStopsWhileTheHandlerRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const took = 10 * time.Second
		arrive, reported := startLoop(t, func(context.Context, events.Event) error {
			time.Sleep(took)
			return nil
		})
		arrive(1)
		arrive(3)
		arrive(5)
		arrive(2) // 20 s after revision 3, but this time does not count, because the handler ran all the time
		if got := reported(); len(got) > 0 {
			t.Errorf("OnGap was called after %v, want no call yet", got)
		}
		time.Sleep(time.Minute)
		if got, want := reported(), []time.Duration{4*took + grace}; !slices.Equal(got, want) {
			t.Errorf("OnGap was called after %v, want %v", got, want)
		}
	})
}

func TestLoopRunsUntilTheConsumerHasStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		cfg := Config{}
		cfg.setDefaults()
		l := newLoop(cfg, succeed)
		ended, stopped := make(chan error), make(chan error, 1)
		go func() { stopped <- l.run(ctx, ended) }()
		synctest.Wait()
		select {
		case err := <-stopped:
			t.Fatalf("the loop returned %v before the consumer", err)
		default:
		}
		want := errors.New("consumer failed")
		ended <- want
		if err := <-stopped; !errors.Is(err, want) {
			t.Errorf("returned %v, want %v", err, want)
		}
	})
}
