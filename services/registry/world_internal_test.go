package registry

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"rollcall/events"
)

// world simulates servers and nsqd around the state of a registry, in steps of one tick. It covers cases that the simulation of
// the whole system does not vary, such as other TTLs, and senders that publish to one nsqd only.
type world struct {
	state   *state
	dice    *rand.Rand
	start   time.Time
	now     time.Duration
	step    time.Duration
	nsqd    []string
	servers []*resident
	loss    float64

	comes func(nsqd int, now time.Duration) bool // whether messages arrive through an nsqd
	mute  func(i int, now time.Duration) bool    // whether server i sends nothing
	ends  map[int]time.Duration                  // when a server expired, by the index of the server in servers
}

// resident is a simulated server.
type resident struct {
	interval, ttl time.Duration
	home          int // the only nsqd to which the server publishes; -1: any nsqd
	dead          bool
	answer        Finding
	seq           uint64
	due           time.Duration
}

func newWorld(t *testing.T, nsqd int) *world {
	t.Helper()
	w := &world{
		state: mustState(t, Config{Probing: true}), dice: rand.New(rand.NewPCG(1, 2)), step: testTick,
		start: time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC), ends: make(map[int]time.Duration),
		comes: func(int, time.Duration) bool { return true }, mute: func(int, time.Duration) bool { return false },
	}
	for i := range nsqd {
		w.nsqd = append(w.nsqd, fmt.Sprint("nsqd-", i))
	}
	return w
}

func (w *world) settle(n int, interval, ttl time.Duration, home func(i int) int) {
	for i := range n {
		w.servers = append(w.servers, &resident{
			interval: interval, ttl: ttl, home: home(i), answer: FindingIdentified, due: time.Duration(w.dice.Int64N(int64(interval))),
		})
	}
}

func anywhere(int) int { return -1 }

func (w *world) at() time.Time { return w.start.Add(w.now) }

func (w *world) deliver(nsqd int, h *events.Heartbeat) {
	w.state.observe(newMessage(h, events.Receipt{Via: w.nsqd[nsqd], PublishedAt: w.at(), ReceivedAt: w.at()}))
}

func (w *world) run(d time.Duration) {
	for end := w.now + d; w.now < end; {
		w.now += w.step
		for n := range w.nsqd {
			if w.now%time.Second < w.step && w.comes(n, w.now) {
				w.deliver(n, &events.Heartbeat{Type: events.KindCanary})
			}
		}
		for i, r := range w.servers {
			for !r.dead && r.due <= w.now {
				w.beat(i, r)
			}
		}
		w.state.tick(w.at(), w.nsqd)
		for q, ok := w.state.nextProbe(); ok; q, ok = w.state.nextProbe() {
			w.state.probes.taken(w.state.clock.last)
			e := Evidence{Probe: q, Finding: w.servers[number(q.ID)].answer, Source: SourceProbe, Began: w.at(), Ended: w.at()}
			w.state.report(e)
		}
		for _, e := range takeAll(w.state) {
			if e.Type() == events.TypeExpired {
				w.ends[number(e.Details().Server.ID)] = w.now
			}
		}
	}
}

func (w *world) beat(i int, r *resident) {
	r.due += time.Duration(float64(r.interval) * (0.9 + 0.2*w.dice.Float64()))
	r.seq++
	n := r.home
	if n < 0 {
		n = w.dice.IntN(len(w.nsqd))
	}
	if !w.comes(n, w.now) || w.mute(i, w.now) || w.dice.Float64() < w.loss {
		return
	}
	h := plainBeat(i, r.seq)
	h.IntervalMS, h.TTLMS = r.interval.Milliseconds(), r.ttl.Milliseconds()
	w.deliver(n, h)
}

func number(id string) int {
	n, err := strconv.Atoi(id)
	if err != nil {
		panic(err)
	}
	return n
}

// falseExpiries counts the servers that expired although they are alive.
func (w *world) falseExpiries() (n int) {
	for i := range w.ends {
		if !w.servers[i].dead {
			n++
		}
	}
	return n
}

func TestNoHealthyServerExpires(t *testing.T) {
	away := func(gone int) func(*world) { // for half an hour, no message arrives through the first nsqd; their number is the parameter gone
		return func(w *world) {
			w.comes = func(n int, now time.Duration) bool { return n >= gone || now < 5*time.Minute || now > 35*time.Minute }
		}
	}
	lossy := func(share float64) func(*world) { return func(w *world) { w.loss = share } }
	unanswered := func(w *world) { // after five minutes, no server answers probes any more
		w.comes = func(_ int, now time.Duration) bool {
			if now > 5*time.Minute {
				for _, r := range w.servers {
					r.answer = FindingSilent
				}
			}
			return true
		}
	}
	for _, tt := range []struct {
		name          string
		nsqd          int
		interval, ttl time.Duration
		home          func(i int) int
		faults        []func(*world)
	}{
		{"5 % loss", 3, 5 * time.Second, 10 * time.Second, anywhere, []func(*world){lossy(0.05)}},
		{"5 % loss, a TTL of 45 s", 3, 20 * time.Second, 45 * time.Second, anywhere, []func(*world){lossy(0.05)}},
		{"5 % loss, a TTL of 132 s", 3, time.Minute, 132 * time.Second, anywhere, []func(*world){lossy(0.05)}},
		{"5 % loss, a TTL of a second", 3, 500 * time.Millisecond, time.Second, anywhere, []func(*world){lossy(0.05)}},
		{"one of two nsqd away", 2, 5 * time.Second, 10 * time.Second, anywhere, []func(*world){away(1)}},
		{"one of two nsqd away, a TTL of 66 s", 2, 30 * time.Second, 66 * time.Second, anywhere, []func(*world){away(1)}},
		{"one of three nsqd away, the only one of a third of the senders", 3, 5 * time.Second, 10 * time.Second, func(i int) int { return i % 3 }, []func(*world){away(1)}},
		{"one of ten nsqd away, the only one of a tenth of the senders", 10, 5 * time.Second, 10 * time.Second, func(i int) int { return i % 10 }, []func(*world){away(1)}},
		{"one of ten nsqd away, and its senders return half a minute after it", 10, 5 * time.Second, 10 * time.Second, func(i int) int { return i % 10 }, []func(*world){away(1), func(w *world) {
			w.mute = func(i int, now time.Duration) bool {
				return i%10 == 0 && now > 5*time.Minute && now < 35*time.Minute+30*time.Second
			}
		}}},
		{"5 % loss, and no server answers probes", 3, 5 * time.Second, 10 * time.Second, anywhere, []func(*world){lossy(0.05), unanswered}},
		{"two of three nsqd away", 3, 5 * time.Second, 10 * time.Second, anywhere, []func(*world){away(2)}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, tt.nsqd)
			w.settle(300, tt.interval, tt.ttl, tt.home)
			for _, fault := range tt.faults {
				fault(w)
			}
			w.run(45 * time.Minute)
			if n := w.falseExpiries(); n > 0 {
				t.Errorf("%d of %d servers expired, although all are alive", n, len(w.servers))
			}
		})
	}
}

// A server that stops and does not answer probes expires, whatever else happens.
func TestDeadServersExpire(t *testing.T) {
	comesEach := func(period time.Duration) func(*world) { // after a minute, messages arrive through the first nsqd only once per period
		return func(w *world) {
			w.comes = func(n int, now time.Duration) bool { return n > 0 || now < time.Minute || now%period < w.step }
		}
	}
	for _, tt := range []struct {
		name   string
		nsqd   int
		fault  func(*world)
		answer Finding
		deaths int
		within time.Duration
	}{
		{"no other fault", 3, func(*world) {}, FindingSilent, 1, 11 * time.Second},
		{"an nsqd is silent and delivers again every 3 s", 3, comesEach(3 * time.Second), FindingSilent, 1, 30 * time.Second},
		{"an nsqd is silent and delivers again every 5 s", 3, comesEach(5 * time.Second), FindingSilent, 1, 30 * time.Second},
		{"every tick is late", 3, func(w *world) { w.step = 800 * time.Millisecond }, FindingSilent, 1, 40 * time.Second},
		{"it cannot be probed", 3, func(*world) {}, FindingUnknown, 1, 75 * time.Second},
		{"none of many can be probed", 3, func(*world) {}, FindingUnknown, 40, 90 * time.Second},
		{"it cannot be probed, and its only nsqd is silent", 3, func(w *world) {
			for i, r := range w.servers {
				if i > 0 {
					r.home = 2
				}
			}
			w.comes = func(n int, now time.Duration) bool { return n != 1 || now < 2*time.Minute }
		}, FindingUnknown, 1, 2 * time.Minute},
		{"it accepts connections and sends no id", 3, func(*world) {}, FindingAccepted, 1, 25 * time.Second},
		{"it refuses connections", 3, func(*world) {}, FindingRefused, 1, 8 * time.Second},
		{"half of the servers refuse connections", 3, func(*world) {}, FindingRefused, 50, 13 * time.Second},
		{"half of the servers do not answer", 3, func(*world) {}, FindingSilent, 50, 16 * time.Second},
		{"it refuses connections while every nsqd is silent", 3, func(w *world) {
			w.comes = func(_ int, now time.Duration) bool { return now < time.Minute }
		}, FindingRefused, 1, 6 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, tt.nsqd)
			w.settle(100, 5*time.Second, 10*time.Second, func(int) int { return 1 })
			tt.fault(w)
			w.run(2 * time.Minute)
			for _, r := range w.servers[:tt.deaths] {
				r.dead, r.answer = true, tt.answer
			}
			died := w.now
			w.run(5 * time.Minute)
			for i := range tt.deaths {
				if end, ended := w.ends[i]; !ended || end-died > tt.within {
					t.Fatalf("server %d expired: %v, after %v; want within %v", i, ended, end-died, tt.within)
				}
			}
			if n := w.falseExpiries(); n > 0 {
				t.Errorf("%d live servers expired", n)
			}
		})
	}
}
