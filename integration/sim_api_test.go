package integration

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
	"rollcall/pipeline"
	"rollcall/services/prober"
	"rollcall/services/registry"
	"rollcall/stages"
)

// simAPI is an API server: the real stages, registry, prober and skew of clocks, and what may happen to their process.
type simAPI struct {
	w        *simWorld
	started  time.Time
	registry *registry.Registry
	chain    pipeline.Chain
	skew     *pipeline.Skew
	end      func() // ends it and waits until it has ended; nil while there is none
	buf      []byte

	inbox      []simMessage  // has come and is not read yet
	rate       int           // how many of it are read in a step; 0: all
	lag        time.Duration // how old a message must be to be read
	mailbox    bool          // the queue is behind the receipt, and not before it
	nextTick   int
	nextCanary int

	halted    bool
	gate      atomic.Pointer[chan struct{}] // the prober's goroutines wait here; nil while the process runs
	severed   atomic.Bool                   // from the network
	share     int                           // of the CPU, in percent
	throttled bool
	clock     time.Duration // what was added to its wall clock
	stall     int           // step in which the process stopped, or lost the network
	reader    int           // step from which it is connected
	keeps     bool          // nsqd keeps its channel through a long stall
	unreached []string      // nsqd that nsqlookupd names and nobody reaches

	saved []byte // its roll on disk
}

const (
	simObserver     = "api-1"
	simTick         = 250 * time.Millisecond
	simCanaryPeriod = time.Second
	simDisconnects  = 10 * time.Second // nsqd gives up a client that does not answer so long
)

func newSimAPI(w *simWorld) *simAPI { return &simAPI{w: w, share: 100, keeps: w.noise.IntN(2) == 0} }

// begin starts the process, with its roll of before if there is one.
func (a *simAPI) begin(saved *registry.Saved) {
	a.started = a.time()
	a.skew = pipeline.NewSkew(a.started)
	var err error
	a.registry, err = registry.New(registry.Config{Observer: simObserver, Tick: simTick, Probing: !a.w.network.unasked, Restore: saved})
	must(a.w.t, err)
	a.chain = stages.Heartbeats(a.registry, stages.Decode{}, stages.Canary{ID: simObserver, Started: a.started, Skew: a.skew}, stages.Validate{})
	asking, err := prober.New(prober.Config{Registry: a, Ask: a.ask})
	must(a.w.t, err)
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
		for e := range a.registry.Events() {
			a.w.audit.hear(e)
		}
	})
	a.end = func() {
		a.end = nil
		cancel()
		running.Wait()
		for _, e := range a.registry.Unsent() {
			a.w.audit.hear(e)
		}
	}
}

func (a *simAPI) time() time.Time { return a.at(time.Now()) }

// The faults that a script makes.

// halt is SIGSTOP, and proceed is SIGCONT. What came meanwhile is there at once and in any order with the tick.
func (a *simAPI) halt() {
	gate := make(chan struct{})
	a.gate.Store(&gate)
	a.halted, a.stall = true, a.w.now
}

func (a *simAPI) proceed() {
	a.halted = false
	a.reconnect()
	if a.w.noise.IntN(2) == 0 { // the prober's goroutines come before the tick and what waits to be read
		a.open()
		synctest.Wait()
	}
}

// open lets the prober's goroutines go on.
func (a *simAPI) open() {
	if gate := a.gate.Swap(nil); gate != nil {
		close(*gate)
	}
}

// sever cuts the network off, and mend brings it back.
func (a *simAPI) sever() {
	a.severed.Store(true)
	a.stall = a.w.now
}

func (a *simAPI) mend() {
	a.severed.Store(false)
	a.reconnect()
}

// reconnect follows a stall: after a long one nsqd may have closed the connection, and dropped the channel with what was
// in it.
func (a *simAPI) reconnect() {
	if a.w.now-a.stall > simSteps(simDisconnects) && !a.keeps {
		a.reader = a.w.now + simWithin(a.w.noise, simReconnect)
	}
	a.w.noise.Shuffle(len(a.inbox), func(i, j int) { a.inbox[i], a.inbox[j] = a.inbox[j], a.inbox[i] })
}

func (a *simAPI) stalled() bool { return a.halted || a.severed.Load() }

// arrive takes a message from an nsqd.
func (a *simAPI) arrive(m simMessage) {
	switch {
	case a.end == nil, a.w.now < a.reader:
	case a.stalled() && !a.keeps && a.w.now-a.stall > simSteps(simDisconnects):
	default:
		m.came = a.w.now
		a.inbox = append(a.inbox, m)
	}
}

func (a *simAPI) step() {
	if a.end == nil {
		a.inbox = a.inbox[:0]
		return
	}
	a.schedule()
	if a.halted {
		return
	}
	defer a.open()
	inbox := a.inbox[:a.readable()]
	if a.severed.Load() {
		inbox = nil
	}
	before := len(inbox)
	tick := a.w.now >= a.nextTick
	if tick {
		before = a.w.noise.IntN(before + 1)
	}
	a.take(inbox[:before])
	if tick {
		a.tick()
	}
	a.take(inbox[before:])
	a.inbox = slices.Delete(a.inbox, 0, len(inbox))
	a.canary()
}

// readable is how many messages the process gets to in this step. The others wait in a queue in front of its mailbox.
func (a *simAPI) readable() int {
	n := len(a.inbox)
	if a.rate > 0 {
		n = min(n, a.rate)
	}
	for i, m := range a.inbox[:n] {
		if time.Duration(a.w.now)*simStep-m.stamp < a.lag {
			return i
		}
	}
	return n
}

// schedule lets a process that gets a share of the CPU run in the first part of each second.
func (a *simAPI) schedule() {
	second := simSteps(time.Second)
	switch a.w.now % second {
	case 0:
		if a.throttled {
			a.throttled = false
			a.proceed()
		}
	case second * a.share / 100:
		a.throttled = true
		a.halt()
	}
}

func (a *simAPI) tick() {
	period := simSteps(simTick)
	a.nextTick = (a.w.now/period + 1) * period
	nsqd := slices.Clone(a.unreached)
	for _, n := range a.w.nsqd {
		if n.known() {
			nsqd = append(nsqd, n.addr)
		}
	}
	must(a.w.t, a.registry.Tick(context.Background(), a.time(), nsqd))
	a.w.naive.tick()
}

func (a *simAPI) canary() {
	if a.w.now < a.nextCanary {
		return
	}
	a.nextCanary = a.w.now + simSteps(simCanaryPeriod)
	if a.severed.Load() {
		return
	}
	for _, n := range a.w.nsqd {
		n.canary(simMessage{server: -1, kind: simCanary, sent: time.Duration(a.w.now) * simStep})
	}
}

// take runs messages through the stages.
func (a *simAPI) take(messages []simMessage) {
	var env pipeline.Envelope
	for _, m := range messages {
		env = pipeline.Envelope{Payload: a.payload(m), Receipt: a.receipt(m)}
		for _, stage := range a.chain {
			err := stage.Stage.Process(context.Background(), &env)
			if err == nil {
				continue
			}
			if !errors.Is(err, pipeline.ErrDrop) {
				a.w.audit.wrong("stage %s refuses %s: %v", stage.Name, env.Payload, err)
			}
			break
		}
		a.w.naive.hear(m)
	}
}

func (a *simAPI) payload(m simMessage) []byte {
	if m.kind == simCanary {
		body, err := events.EncodeCanary(simObserver, a.started, a.w.epoch.Add(m.sent))
		must(a.w.t, err)
		return body
	}
	a.buf = a.w.servers[m.server].body(a.buf[:0], m)
	return a.buf
}

func (a *simAPI) receipt(m simMessage) events.Receipt {
	n := a.w.nsqd[m.via]
	r := events.Receipt{
		Via:         n.addr,
		PublishedAt: a.w.epoch.Add(m.stamp).Round(0).Add(n.skew),
		ReceivedAt:  a.time(),
	}
	if a.mailbox {
		r.ReceivedAt = a.at(a.w.start.Add(time.Duration(m.came) * simStep))
	}
	r.Delay = a.skew.Delay(r)
	return r
}

// save writes the roll to disk once a second, from now on and as long as the process lives.
func (a *simAPI) save() {
	if a.end == nil {
		return
	}
	s, err := a.registry.Save(context.Background(), a.time())
	must(a.w.t, err)
	a.saved, err = json.Marshal(s)
	must(a.w.t, err)
	a.w.after(time.Second, a.save)
}

// load reads it back.
func (a *simAPI) load() *registry.Saved {
	s := new(registry.Saved)
	must(a.w.t, json.Unmarshal(a.saved, s))
	must(a.w.t, s.Validate())
	return s
}

// routable are those to which a request may go.
func (a *simAPI) routable() map[string]bool {
	roll, err := a.registry.Members(context.Background(), registry.Query{State: events.StateAlive})
	must(a.w.t, err)
	keys := make(map[string]bool, len(roll.Servers))
	for _, s := range roll.Servers {
		keys[s.Key()] = true
	}
	return keys
}

// at is what the process reads on its clocks at a moment of the bubble, whose own times have no monotonic reading. Setting
// the wall clock leaves that reading as it is. package time has no way to say so, so it is done to the seconds of the wall
// word, which begin at bit 30.
func (a *simAPI) at(moment time.Time) time.Time {
	was := a.w.epoch.Add(moment.Sub(a.w.start))
	is := was
	*(*uint64)(unsafe.Pointer(&is)) += uint64(a.clock/time.Second) << 30
	if is.Sub(was) != 0 || is.Round(0).Sub(was.Round(0)) != a.clock {
		a.w.t.Fatalf("the wall clock is set by %v and the monotonic one by %v, want %v and 0", is.Round(0).Sub(was.Round(0)), is.Sub(was), a.clock)
	}
	return is
}
