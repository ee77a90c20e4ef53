package integration

import (
	"fmt"
	"strings"
	"time"

	"rollcall/services/registry"
)

// simScenario is a row of the table.
type simScenario struct {
	name    string
	network simNetwork
	servers int           // 0 is simServers
	length  time.Duration // of virtual time
	long    time.Duration // for the first seed, if it is more
	rare    uint64        // only each so manyth seed, because it costs much
	harm    bool          // the naive rule must do harm in it, or the scenario shows nothing
	deaths  int           // that must be found
	unasked bool          // it is played without probes too
	play    func(w *simWorld)
}

// Faults begin when every server has been heard and the registry is warm, and there is time to see what comes of them.
const (
	simCalm  = 16 * time.Second
	simAfter = 15 * time.Second
)

func simScenarios() []simScenario {
	var all []simScenario
	for _, group := range [][]simScenario{
		simLosses(), simBrokenNSQD(), simBrokenAPI(), simQueues(), simUnreached(), simClocks(), simClocksBack(), simAddresses(), simDeaths(),
	} {
		all = append(all, group...)
	}
	return append(all, simUnasked(all)...)
}

// simUnasked are the scenarios in which the lease clock alone must get it right, because nobody is asked: probes would hide
// what it does wrong.
func simUnasked(all []simScenario) []simScenario {
	var unasked []simScenario
	for _, sc := range all {
		if sc.unasked {
			sc.name += ", without probes"
			sc.network.unasked = true
			sc.rare, sc.harm = 8, false // that much is shown
			unasked = append(unasked, sc)
		}
	}
	return unasked
}

// simLosses are played for long by the first seed; a day of them is what it takes to believe them.
func simLosses() []simScenario {
	alone := func(loss, deaf float64) simNetwork { return simNetwork{loss: loss, deaf: deaf, bystander: true} }
	rough := func(loss float64) simNetwork {
		return simNetwork{loss: loss, copies: 9, late: 0.5, lateBy: 3 * time.Second}
	}
	const half, three = 30 * time.Minute, 3 * time.Minute
	return []simScenario{
		{name: "30 min of 0.1 % loss, of probes too", network: alone(0.001, 0.001), length: 40 * time.Second, long: half, harm: true},
		{name: "30 min of 1 % loss, of probes too", network: alone(0.01, 0.01), length: 40 * time.Second, long: half, harm: true},
		{name: "30 min of 5 % loss", network: alone(0.05, 0), length: 40 * time.Second, long: half, harm: true},
		{name: "3 min of 1 % loss, 10x duplicates, half late", network: rough(0.01), length: 25 * time.Second, rare: 4, long: three, harm: true},
		{name: "3 min of 5 % loss, 10x duplicates, half late", network: rough(0.05), length: 25 * time.Second, rare: 4, long: three, harm: true},
	}
}

// simDays are the losses of simLosses for as long as it takes to believe them. No more than a thousandth of the probes is
// lost: who loses one heartbeat in a hundred and, in a row, three of the probes that ask about it expires, and where a
// hundredth of the probes is lost as well, that is one of a thousand healthy servers in some days.
func simDays() []simScenario {
	days := simLosses()
	for i := range days {
		d := &days[i]
		d.network.deaf = min(d.network.deaf, 0.001)
		_, what, _ := strings.Cut(d.name, " of ")
		d.name = "24 h of " + strings.ReplaceAll(what, "of probes too", "0.1 % of probes")
		d.length, d.long, d.rare = 24*time.Hour, 0, 0
	}
	return days
}

func simBrokenNSQD() []simScenario {
	plain := simNetwork{plain: true}
	stop := func(n int, length time.Duration) func(*simWorld) {
		return func(w *simWorld) {
			for _, d := range w.nsqd[:n] {
				w.at(simCalm, d.hang)
				w.at(simCalm+length, d.resume)
			}
		}
	}
	kill := func(length time.Duration) func(*simWorld) {
		return func(w *simWorld) {
			w.at(simCalm, w.nsqd[0].kill)
			w.at(simCalm+length, w.nsqd[0].restart)
		}
	}
	return []simScenario{
		{name: "1 of 3 nsqd stopped 15 s", length: simCalm + 15*time.Second + simAfter, play: stop(1, 15*time.Second)},
		{name: "1 of 3 nsqd stopped 15 s, senders try no other", network: plain, rare: 4, harm: true,
			length: simCalm + 15*time.Second + simAfter, play: stop(1, 15*time.Second)},
		{name: "1 of 3 nsqd stopped 30 s with the last words of the dead", length: simCalm + 30*time.Second + 2*simAfter,
			play: func(w *simWorld) {
				w.at(simCalm, w.nsqd[0].hang)
				w.at(simCalm+time.Second, func() {
					for _, s := range w.servers {
						if s.tried > 0 { // its beat is in the sockets of that one, and of no other
							s.die(simCrashed)
						}
					}
				})
				w.at(simCalm+30*time.Second, w.nsqd[0].resume)
			}},
		{name: "1 of 3 nsqd killed 30 s", length: simCalm + 30*time.Second + simAfter, play: kill(30 * time.Second)},
		{name: "1 of 3 nsqd killed 30 s, senders try no other", network: plain, rare: 4, harm: true,
			length: simCalm + 30*time.Second + simAfter, play: kill(30 * time.Second)},
		{name: "1 of 3 nsqd killed for ever", length: simCalm + 30*time.Second, long: 5 * time.Minute,
			play: func(w *simWorld) { w.at(simCalm, w.nsqd[0].kill) }},
		{name: "1 of 3 nsqd killed and restarted", length: simCalm + time.Second + simAfter, play: kill(time.Second)},
		{name: "all nsqd stopped 15 s", unasked: true, length: simCalm + 15*time.Second + simAfter, harm: true, play: stop(3, 15*time.Second)},
		{name: "all nsqd stopped 60 s", rare: 2, unasked: true, length: simCalm + 60*time.Second + simAfter, harm: true, play: stop(3, 60*time.Second)},
		{name: "rolling restart of nsqd", length: simCalm + 30*time.Second + simAfter, play: func(w *simWorld) {
			for i, d := range w.nsqd {
				w.at(simCalm+time.Duration(i)*10*time.Second, d.kill)
				w.at(simCalm+time.Duration(i)*10*time.Second+5*time.Second, d.restart)
			}
		}},
	}
}

func simBrokenAPI() []simScenario {
	var all []simScenario
	for _, length := range []time.Duration{6 * time.Second, 15 * time.Second, 60 * time.Second} {
		all = append(all, simScenario{
			name: fmt.Sprintf("API server stopped %v s", length.Seconds()), length: simCalm + length + simAfter, harm: true, unasked: true,
			play: func(w *simWorld) {
				// It stops and goes on between any two ticks.
				at := simCalm + time.Duration(w.rng.IntN(10))*simStep
				w.at(at, w.api.halt)
				w.at(at+length+time.Duration(w.rng.IntN(10))*simStep, w.api.proceed)
				if length > 2*simLease { // new incarnations that nobody hears of while they live
					for _, s := range w.pick(5) {
						w.at(at+5*time.Second, s.restart)
						w.at(at+2*simLease, func() { s.die(simCrashed) })
					}
				}
			},
		})
	}
	return append(all,
		simScenario{name: "CPU cut to 10 %", unasked: true, length: simCalm + 30*time.Second, long: 5 * time.Minute, play: func(w *simWorld) {
			w.at(simCalm, func() { w.api.share = 10 })
			w.at(simCalm+20*time.Second, func() { w.api.share = 100 })
		}},
		simScenario{name: "API server cut off 60 s", rare: 2, unasked: true, length: simCalm + 60*time.Second + simAfter, harm: true, play: func(w *simWorld) {
			w.at(simCalm, w.api.sever)
			w.at(simCalm+60*time.Second, w.api.mend)
		}},
		simScenario{name: "API server killed, restarted with its roll", length: simCalm + 25*time.Second, deaths: 5, play: simRestarts},
	)
}

// simRestarts kills the API server and starts it again. A few servers die while it is away, and are found dead; the others
// are routable in two seconds.
func simRestarts(w *simWorld) {
	w.at(simCalm-time.Second, w.api.save)
	w.at(simCalm, func() { w.api.end() })
	for _, s := range w.pick(5) {
		w.at(simCalm+time.Second, func() { s.die(simCrashed) })
	}
	back := simCalm + 2*time.Second + time.Duration(w.rng.IntN(100))*simStep
	w.at(back, func() {
		saved := w.api.load()
		w.audit.restored(saved)
		w.api.begin(saved)
	})
	w.at(back+2*time.Second, func() {
		routable := w.api.routable()
		for _, s := range w.servers {
			if s.is(simRunning) && !routable[s.key] {
				w.audit.wrong("%s is not routable two seconds after the restart", s.id)
			}
		}
	})
}

func simClocks() []simScenario {
	var all []simScenario
	for _, by := range []time.Duration{time.Hour, -time.Hour} {
		all = append(all,
			simScenario{name: fmt.Sprintf("wall clock of the API server %+g h", by.Hours()), length: simCalm + simAfter, long: simCalm + 2*time.Minute,
				play: func(w *simWorld) { w.at(simCalm, func() { w.api.clock = by }) }},
			simScenario{name: fmt.Sprintf("wall clock of an nsqd %+g h", by.Hours()), length: simCalm + simAfter,
				play: func(w *simWorld) { w.at(simCalm, func() { w.nsqd[0].skew += by }) }},
		)
	}
	return all
}

func simDeaths() []simScenario {
	alone := simNetwork{bystander: true}
	half := func(f simFate) func(*simWorld) {
		return func(w *simWorld) {
			for _, s := range w.pick(len(w.servers) / 2) {
				w.at(simCalm, func() { s.die(f) })
			}
		}
	}
	return []simScenario{
		{name: "crashes and black holes", network: alone, length: simCalm + 10*time.Second + 15*time.Second, deaths: 60,
			play: func(w *simWorld) {
				for i, s := range w.pick(60) {
					f := []simFate{simCrashed, simVanished}[i%2]
					w.at(simCalm+w.moment(10*time.Second), func() { s.die(f) })
				}
			}},
		{name: "stops, leaves and late returns", network: alone, length: simCalm + 40*time.Second, deaths: 10, play: simEnds},
		{name: "restarts, short stops and leaves that are none", network: alone, length: simCalm + 25*time.Second, play: simTurns},
		{name: "restarts and leaves, half of the messages late", network: simNetwork{late: 0.5, lateBy: 3 * time.Second}, length: simCalm + 25*time.Second,
			play: func(w *simWorld) {
				for _, s := range w.pick(100) { // what the older incarnation said last comes after the newer one has left
					at := w.soon(func() { s.become(simCrashed) })
					w.at(at+200*time.Millisecond, s.restart)
					w.at(at+time.Second, s.leave)
				}
			}},
		{name: "a roll of five, two of them die", network: alone, servers: 5, length: simCalm + 15*time.Second, deaths: 2,
			play: func(w *simWorld) {
				for i, s := range w.pick(2) {
					w.at(simCalm+w.moment(3*time.Second), func() { s.die([]simFate{simCrashed, simVanished}[i]) })
				}
			}},
		{name: "half of the servers crash together", length: simCalm + 20*time.Second, deaths: simServers / 2, play: half(simCrashed)},
		{name: "half of the servers vanish together", length: simCalm + 20*time.Second, deaths: simServers / 2, play: half(simVanished)},
		{name: "all nsqd dead, five servers really die", length: simCalm + 30*time.Second + simAfter, harm: true, deaths: 5,
			play: func(w *simWorld) {
				for _, d := range w.nsqd {
					w.at(simCalm, d.kill)
					w.at(simCalm+30*time.Second, d.restart)
				}
				dead := w.pick(5)
				for _, s := range dead {
					w.at(simCalm+5*time.Second, func() { s.die(simCrashed) })
				}
				w.at(simCalm+25*time.Second, func() {
					if found := len(w.audit.found.crashed); found != len(dead) {
						w.audit.wrong("%d of %d servers that died are found", found, len(dead))
					}
				})
			}},
	}
}

// simEnds lets servers be stopped for good, die and leave, and some of those come back after a while: ten each.
func simEnds(w *simWorld) {
	servers := w.pick(40)
	for _, s := range servers[:10] {
		w.soon(func() { s.die(simStopped) })
	}
	for _, s := range servers[10:20] {
		w.soon(s.leave)
	}
	for _, s := range servers[20:30] {
		w.at(w.soon(s.leave)+2*time.Second+w.moment(10*time.Second), s.restart)
	}
	for _, s := range servers[30:] {
		w.at(w.soon(func() { s.become(simCrashed) })+10*time.Second+w.moment(5*time.Second), s.restart)
	}
}

// simTurns lets servers be restarted at once, be stopped for less than a TTL, and leave but go on beating, as nobody should:
// those are back a TTL later.
func simTurns(w *simWorld) {
	servers := w.pick(30)
	for _, s := range servers[:10] {
		w.at(w.soon(func() { s.become(simCrashed) })+w.moment(time.Second), s.restart)
	}
	for _, s := range servers[10:20] {
		w.at(w.soon(func() { s.become(simStopped) })+w.moment(8*time.Second), s.resume)
	}
	for _, s := range servers[20:] {
		w.soon(func() {
			s.leave()
			s.lingers = true
			s.plan(w.now + simSteps(time.Second))
		})
	}
}

// soon plans something for a random moment of the first seconds of faults, and tells when that is.
func (w *simWorld) soon(do func()) time.Duration {
	at := simCalm + w.moment(5*time.Second)
	w.at(at, do)
	return at
}

// pick gives n servers at random.
func (w *simWorld) pick(n int) []*simServer {
	picked := make([]*simServer, n)
	for i, j := range w.rng.Perm(len(w.servers))[:n] {
		picked[i] = w.servers[j]
	}
	return picked
}

// moment is a random time below d.
func (w *simWorld) moment(d time.Duration) time.Duration {
	return time.Duration(simWithin(w.rng, d)-1) * simStep
}

// restored takes over what a restarted registry says it knows.
func (c *simAudit) restored(s *registry.Saved) {
	c.revision = s.Revision
}
