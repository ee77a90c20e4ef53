package dataserver_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"rollcall/events"
	"rollcall/services/dataserver"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// sent is a message passed to the recorder.
type sent struct {
	events.Heartbeat
	topic string
	at    time.Duration // time since the recorder was created
}

// recorder is a Publisher that stores the messages and returns the result of answer.
type recorder struct {
	start  time.Time
	answer func(ctx context.Context, h events.Heartbeat) error // if nil, the recorder accepts every message

	mu       sync.Mutex
	messages []sent
	busy     int
	mostBusy int
}

func newRecorder() *recorder { return &recorder{start: time.Now()} }

func (r *recorder) Publish(ctx context.Context, topic string, body []byte) error {
	h, err := events.DecodeHeartbeat(body)
	if err != nil {
		return err
	}
	if err := h.Validate(); err != nil {
		return err
	}
	r.mu.Lock()
	r.messages = append(r.messages, sent{h, topic, time.Since(r.start)})
	r.busy++
	r.mostBusy = max(r.mostBusy, r.busy)
	r.mu.Unlock()
	defer func() {
		r.mu.Lock()
		r.busy--
		r.mu.Unlock()
	}()
	if r.answer == nil {
		return nil
	}
	return r.answer(ctx, h)
}

func (r *recorder) all() []sent {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.messages)
}

func (r *recorder) last(t testing.TB) sent {
	t.Helper()
	all := r.all()
	if len(all) == 0 {
		t.Fatal("nothing was published")
	}
	return all[len(all)-1]
}

// left reports whether a leave was published.
func (r *recorder) left() bool {
	return slices.ContainsFunc(r.all(), func(s sent) bool { return s.Type == events.KindLeave })
}

// hang blocks until ctx ends, as a paused broker does.
func hang(ctx context.Context, _ events.Heartbeat) error {
	<-ctx.Done()
	return ctx.Err()
}

func mustAgent(t testing.TB, cfg dataserver.Config) *dataserver.Agent {
	t.Helper()
	a, err := dataserver.NewAgent(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// run is a call of Run that has not returned yet.
type run struct {
	cancel context.CancelFunc
	err    chan error // capacity 1
}

func start(t testing.TB, f func(context.Context) error) *run {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	r := &run{cancel, make(chan error, 1)}
	go func() { r.err <- f(ctx) }()
	t.Cleanup(func() { r.cancel() })
	return r
}

// stop cancels the context of the run. It returns the time until the run returned, and the run's error.
func (r *run) stop(t testing.TB) (time.Duration, error) {
	t.Helper()
	begin := time.Now()
	r.cancel()
	select {
	case err := <-r.err:
		return time.Since(begin), err
	case <-time.After(time.Minute):
		t.Fatal("Run does not return")
		return 0, nil
	}
}

func mustStop(t testing.TB, r *run) {
	t.Helper()
	if _, err := r.stop(t); err != nil {
		t.Fatal(err)
	}
}
