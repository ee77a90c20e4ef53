package sim

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing/synctest"
	"time"
	"unsafe"

	"rollcall/events"
	"rollcall/integration/fixture"
	"rollcall/pipeline"
	"rollcall/services/prober"
	"rollcall/services/registry"
	"rollcall/stages"
)

// apiServer is a process with the real stages, registry, prober and clock skew of an API server. The faults of the process are simulated.
type apiServer struct {
	w        *world
	started  time.Time
	registry *registry.Registry
	chain    pipeline.Chain
	skew     *pipeline.ClockSkew
	stop     func() // stops the process and waits for its goroutines; nil while the process does not run

	inbox      []message     // messages that have arrived and are not yet read
	rate       int           // number of messages read in a step; 0 means all
	lag        time.Duration // age at which a message is read
	mailbox    bool          // whether unread messages wait in the registry's mailbox, and so count as received when they arrive, not when they are read
	nextTick   int
	nextCanary int

	paused       bool
	gate         atomic.Pointer[chan struct{}] // channel on which the prober's goroutines wait; nil while the process runs
	disconnected atomic.Bool                   // whether the process is cut off from the network
	share        int                           // share of the CPU time, in percent
	throttled    bool
	clock        time.Duration // how far the wall clock was changed
	stall        int           // step at which the process paused or lost the network
	reader       int           // step from which the process is connected to nsqd
	keeps        bool          // whether nsqd keeps the channel of the process while the process is paused or cut off for long
	unreached    []string      // addresses of nsqd that nsqlookupd lists and that cannot be reached

	snapshot []byte // content of the snapshot file
}

const (
	observer          = "api-1"
	tickInterval      = 250 * time.Millisecond
	canaryInterval    = time.Second
	nsqdClientTimeout = 10 * time.Second // time after which nsqd closes the connection of a silent client
)

func newAPIServer(w *world) *apiServer {
	return &apiServer{w: w, share: 100, keeps: w.noise.IntN(2) == 0}
}

// begin starts the process. If the given snapshot is not nil, the process restores it.
func (a *apiServer) begin(saved *registry.Snapshot) {
	a.started = a.time()
	a.skew = pipeline.NewClockSkew(a.started)
	var err error
	a.registry, err = registry.New(registry.Config{Observer: observer, Tick: tickInterval, Probing: !a.w.network.unprobed, Restore: saved})
	fixture.Must(a.w.t, err)
	a.chain = stages.Heartbeats(a.registry, stages.Decode{}, stages.Canary{ID: observer, Started: a.started, Skew: a.skew}, stages.Validate{})
	asking, err := prober.New(prober.Config{Registry: a, Probe: a.probe})
	fixture.Must(a.w.t, err)
	a.nextTick, a.nextCanary = a.w.now, a.w.now

	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	start := func(name string, run func(context.Context) error) {
		running.Go(func() {
			if err := run(ctx); err != nil {
				a.w.t.Errorf("%s: %v", name, err)
			}
		})
	}
	start("registry", a.registry.Run)
	start("prober", asking.Run)
	running.Go(func() {
		for batch := range a.registry.Events() {
			for _, e := range batch {
				a.w.audit.record(e)
			}
		}
	})
	a.stop = func() {
		a.stop = nil
		cancel()
		running.Wait()
		for _, e := range a.registry.Unsent() {
			a.w.audit.record(e)
		}
	}
}

func (a *apiServer) time() time.Time { return a.at(time.Now()) }

// pause simulates SIGSTOP, and resume simulates SIGCONT. The process then reads all messages that arrived during the pause at once, in
// random order. The next tick comes at a random place among the messages.
func (a *apiServer) pause() {
	gate := make(chan struct{})
	a.gate.Store(&gate)
	a.paused, a.stall = true, a.w.now
}

func (a *apiServer) resume() {
	a.paused = false
	a.recoverChannel()
	if a.w.noise.IntN(2) == 0 { // in half of the cases the prober's goroutines run before the tick and the messages
		a.open()
		synctest.Wait()
	}
}

// open lets the prober's goroutines continue after a pause.
func (a *apiServer) open() {
	if gate := a.gate.Swap(nil); gate != nil {
		close(*gate)
	}
}

// disconnect cuts the process off from the network until reconnect is called.
func (a *apiServer) disconnect() {
	a.disconnected.Store(true)
	a.stall = a.w.now
}

func (a *apiServer) reconnect() {
	a.disconnected.Store(false)
	a.recoverChannel()
}

// recoverChannel ends a pause or a network failure of the process, and shuffles the messages that are not yet read. If nsqd has closed the
// connection in the meantime, the process connects again after a random delay.
func (a *apiServer) recoverChannel() {
	if a.w.now-a.stall > steps(nsqdClientTimeout) && !a.keeps {
		a.reader = a.w.now + randomSteps(a.w.noise, reconnectTime)
	}
	a.w.noise.Shuffle(len(a.inbox), func(i, j int) { a.inbox[i], a.inbox[j] = a.inbox[j], a.inbox[i] })
}

func (a *apiServer) stalled() bool { return a.paused || a.disconnected.Load() }

// arrive puts a message from an nsqd into the inbox. The message is lost if the process does not run, or if nsqd has no channel for the
// process.
func (a *apiServer) arrive(m message) {
	switch {
	case a.stop == nil, a.w.now < a.reader:
	case a.stalled() && !a.keeps && a.w.now-a.stall > steps(nsqdClientTimeout):
	default:
		m.came = a.w.now
		a.inbox = append(a.inbox, m)
	}
}

func (a *apiServer) step() {
	if a.stop == nil {
		a.inbox = a.inbox[:0]
		return
	}
	a.schedule()
	if a.paused {
		return
	}
	defer a.open()
	inbox := a.inbox[:a.readable()]
	if a.disconnected.Load() {
		inbox = nil
	}
	before := len(inbox)
	tick := a.w.now >= a.nextTick
	if tick {
		before = a.w.noise.IntN(before + 1)
	}
	a.process(inbox[:before])
	if tick {
		a.tick()
	}
	a.process(inbox[before:])
	a.inbox = slices.Delete(a.inbox, 0, len(inbox))
	a.canary()
}

// readable returns the number of messages that the process reads in this step. The other messages stay in the inbox.
func (a *apiServer) readable() int {
	n := len(a.inbox)
	if a.rate > 0 {
		n = min(n, a.rate)
	}
	for i, m := range a.inbox[:n] {
		if time.Duration(a.w.now)*step-m.stamp < a.lag {
			return i
		}
	}
	return n
}

// schedule limits the CPU time of the process. When the process has used up its share of a second, schedule pauses it until the second
// ends.
func (a *apiServer) schedule() {
	second := steps(time.Second)
	switch a.w.now % second {
	case 0:
		if a.throttled {
			a.throttled = false
			a.resume()
		}
	case second * a.share / 100:
		a.throttled = true
		a.pause()
	}
}

func (a *apiServer) tick() {
	period := steps(tickInterval)
	a.nextTick = (a.w.now/period + 1) * period
	nsqd := slices.Clone(a.unreached)
	for _, n := range a.w.nsqd {
		if n.known() {
			nsqd = append(nsqd, n.addr)
		}
	}
	fixture.Must(a.w.t, a.registry.Tick(context.Background(), a.time(), nsqd))
	a.w.naive.tick()
}

func (a *apiServer) canary() {
	if a.w.now < a.nextCanary {
		return
	}
	a.nextCanary = a.w.now + steps(canaryInterval)
	if a.disconnected.Load() {
		return
	}
	for _, n := range a.w.nsqd {
		n.canary(message{server: -1, kind: canaryMessage, sent: time.Duration(a.w.now) * step})
	}
}

// process passes messages through the stages of the API server.
func (a *apiServer) process(messages []message) {
	var env pipeline.Envelope
	for _, m := range messages {
		env = pipeline.Envelope{Payload: a.payload(m), Receipt: a.receipt(m)}
		for _, stage := range a.chain {
			err := stage.Stage.Process(context.Background(), &env)
			if err == nil {
				continue
			}
			if !errors.Is(err, pipeline.ErrDrop) {
				a.w.audit.fail("stage %s rejects %s: %v", stage.Name, env.Payload, err)
			}
			break
		}
		a.w.naive.receive(m)
	}
}

func (a *apiServer) payload(m message) []byte {
	if m.kind == canaryMessage {
		body, err := events.EncodeCanary(observer, a.started, a.w.epoch.Add(m.sent))
		fixture.Must(a.w.t, err)
		return body
	}
	return a.w.servers[m.server].body(m)
}

func (a *apiServer) receipt(m message) events.Receipt {
	n := a.w.nsqd[m.via]
	r := events.Receipt{
		Via:         n.addr,
		PublishedAt: a.w.epoch.Add(m.stamp).Round(0).Add(n.skew),
		ReceivedAt:  a.time(),
	}
	if a.mailbox {
		r.ReceivedAt = a.at(a.w.start.Add(time.Duration(m.came) * step))
	}
	r.Delay = a.skew.Delay(r)
	return r
}

// saveSnapshot saves the registry now, and then once a second while the process lives.
func (a *apiServer) saveSnapshot() {
	if a.stop == nil {
		return
	}
	s, err := a.registry.Snapshot(context.Background(), a.time())
	fixture.Must(a.w.t, err)
	a.snapshot, err = json.Marshal(s)
	fixture.Must(a.w.t, err)
	a.w.after(time.Second, a.saveSnapshot)
}

// readSnapshot parses what saveSnapshot saved.
func (a *apiServer) readSnapshot() *registry.Snapshot {
	s := new(registry.Snapshot)
	fixture.Must(a.w.t, json.Unmarshal(a.snapshot, s))
	fixture.Must(a.w.t, s.Validate())
	return s
}

// routable returns the keys of the servers to which the API server would send requests.
func (a *apiServer) routable() map[string]bool {
	list, err := a.registry.Members(context.Background())
	fixture.Must(a.w.t, err)
	keys := make(map[string]bool)
	for _, s := range list.Select(registry.Query{State: events.StateAlive}) {
		keys[s.Key()] = true
	}
	return keys
}

// at returns what the clock of the process shows at a moment of the synctest bubble. Times of a bubble have no monotonic reading, so the
// function adds to w.epoch, which has one. A change of the wall clock must not change the monotonic reading. Package time cannot do that,
// so the function adds the change to the seconds inside the time.Time. These seconds begin at bit 30 of its first word.
func (a *apiServer) at(moment time.Time) time.Time {
	was := a.w.epoch.Add(moment.Sub(a.w.start))
	is := was
	*(*uint64)(unsafe.Pointer(&is)) += uint64(a.clock/time.Second) << 30
	if is.Sub(was) != 0 || is.Round(0).Sub(was.Round(0)) != a.clock {
		a.w.t.Fatalf("the wall clock changed by %v and the monotonic one by %v, want %v and 0", is.Round(0).Sub(was.Round(0)), is.Sub(was), a.clock)
	}
	return is
}
