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

// startLoop runs a loop that is fed by hand. The first result has an event arrive, the second returns the gaps
// told so far with the time of each.
func startLoop(t *testing.T, h Handler) (arrive func(revision uint64), told func() []time.Duration) {
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

func TestAGapIsToldWhenItIsDueThoughNothingElseComes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		arrive, told := startLoop(t, succeed)
		arrive(1)
		time.Sleep(time.Minute)
		arrive(3)
		time.Sleep(time.Minute)
		if got, want := told(), []time.Duration{time.Minute + grace}; !slices.Equal(got, want) {
			t.Errorf("told after %v, want %v", got, want)
		}
	})
}

func TestALateRevisionDisarmsTheAlarm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		arrive, told := startLoop(t, succeed)
		arrive(1)
		arrive(3)
		time.Sleep(grace - 1)
		arrive(2)
		time.Sleep(time.Minute)
		if got := told(); len(got) > 0 {
			t.Errorf("told after %v, want nothing", got)
		}
	})
}

func TestTheGraceStandsStillWhileAHandlerRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const took = 10 * time.Second
		arrive, told := startLoop(t, func(context.Context, events.Event) error {
			time.Sleep(took)
			return nil
		})
		arrive(1)
		arrive(3)
		arrive(5)
		arrive(2) // 30 s after 3 came, and handled by a subscriber that never waited
		if got := told(); len(got) > 0 {
			t.Errorf("told after %v, want nothing yet", got)
		}
		time.Sleep(time.Minute)
		if got, want := told(), []time.Duration{4*took + grace}; !slices.Equal(got, want) {
			t.Errorf("told after %v, want %v", got, want)
		}
	})
}

func TestTheLoopAnswersUntilTheConsumerHasEnded(t *testing.T) {
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
			t.Fatalf("returned %v before the consumer", err)
		default:
		}
		want := errors.New("of the consumer")
		ended <- want
		if err := <-stopped; !errors.Is(err, want) {
			t.Errorf("returned %v, want %v", err, want)
		}
	})
}
