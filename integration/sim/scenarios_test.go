package sim

import (
	"fmt"
	"strings"
	"time"

	"rollcall/services/registry"
)

// scenario is one way to make an installation fail.
type scenario struct {
	name         string
	network      network
	servers      int           // number of servers; default serverCount
	length       time.Duration // virtual time for which the scenario runs
	long         time.Duration // length for the first seed, if that is longer
	everyNthSeed uint64        // if set, only every nth seed is simulated, because each takes long
	naiveFails   bool          // the naive rule must expire live servers; otherwise the fault of the scenario had no effect
	deaths       int           // number of dead servers that must be detected
	alsoUnprobed bool          // the scenario is simulated without probes as well
	play         func(w *world)
}

// At faultsBegin every server is registered and the mode is normal. After a fault the scenario continues for settleTime, so that the
// effects of the fault show.
const (
	faultsBegin = 16 * time.Second
	settleTime  = 15 * time.Second
)

func scenarios() []scenario {
	var all []scenario
	for _, group := range [][]scenario{
		lossScenarios(), nsqdScenarios(), apiScenarios(), queueScenarios(), unreachedScenarios(), wallClockScenarios(), clockScenarios(), addressScenarios(), deathScenarios(),
	} {
		all = append(all, group...)
	}
	return append(all, withoutProbes(all)...)
}

// withoutProbes returns the scenarios that are also simulated without probes. Without probes the lease clock alone must prevent false
// expiries; probes could hide its mistakes.
func withoutProbes(all []scenario) []scenario {
	var unasked []scenario
	for _, sc := range all {
		if sc.alsoUnprobed {
			sc.name += ", without probes"
			sc.network.unprobed = true
			sc.everyNthSeed, sc.naiveFails = 8, false // the scenario with probes already tests the naive rule
			unasked = append(unasked, sc)
		}
	}
	return unasked
}

// lossScenarios are scenarios in which messages and probes are lost; in some, messages are also repeated and delayed. The first seed runs
// for minutes of virtual time, the others for less than a minute.
func lossScenarios() []scenario {
	alone := func(loss, deaf float64) network { return network{loss: loss, probeLoss: deaf, onlyServersFail: true} }
	rough := func(loss float64) network {
		return network{loss: loss, copies: 9, late: 0.5, lateBy: 3 * time.Second}
	}
	const half, three = 30 * time.Minute, 3 * time.Minute
	return []scenario{
		{name: "30 min of 0.1 % loss, of probes too", network: alone(0.001, 0.001), length: 40 * time.Second, long: half, naiveFails: true},
		{name: "30 min of 1 % loss, of probes too", network: alone(0.01, 0.01), length: 40 * time.Second, long: half, naiveFails: true},
		{name: "30 min of 5 % loss", network: alone(0.05, 0), length: 40 * time.Second, long: half, naiveFails: true},
		{name: "3 min of 1 % loss, 10x duplicates, half late", network: rough(0.01), length: 25 * time.Second, everyNthSeed: 4, long: three, naiveFails: true},
		{name: "3 min of 5 % loss, 10x duplicates, half late", network: rough(0.05), length: 25 * time.Second, everyNthSeed: 4, long: three, naiveFails: true},
	}
}

// dayScenarios are the lossScenarios over a day, with at most 0.1 % of the probes lost. A healthy server expires if its heartbeats are lost
// for a TTL and then three probes in a row are lost. With 1 % of the probes lost, that would happen to one of a thousand servers within
// some days.
func dayScenarios() []scenario {
	days := lossScenarios()
	for i := range days {
		d := &days[i]
		d.network.probeLoss = min(d.network.probeLoss, 0.001)
		_, what, _ := strings.Cut(d.name, " of ")
		d.name = "24 h of " + strings.ReplaceAll(what, "of probes too", "0.1 % of probes")
		d.length, d.long, d.everyNthSeed = 24*time.Hour, 0, 0
	}
	return days
}

func nsqdScenarios() []scenario {
	plain := network{noFailover: true}
	stop := func(n int, length time.Duration) func(*world) {
		return func(w *world) {
			for _, d := range w.nsqd[:n] {
				w.at(faultsBegin, d.hang)
				w.at(faultsBegin+length, d.resume)
			}
		}
	}
	kill := func(length time.Duration) func(*world) {
		return func(w *world) {
			w.at(faultsBegin, w.nsqd[0].kill)
			w.at(faultsBegin+length, w.nsqd[0].restart)
		}
	}
	return []scenario{
		{name: "1 of 3 nsqd stopped 15 s", length: faultsBegin + 15*time.Second + settleTime, play: stop(1, 15*time.Second)},
		{name: "1 of 3 nsqd stopped 15 s, senders try no other", network: plain, everyNthSeed: 4, naiveFails: true,
			length: faultsBegin + 15*time.Second + settleTime, play: stop(1, 15*time.Second)},
		{name: "1 of 3 nsqd stopped 30 s with the last words of the dead", length: faultsBegin + 30*time.Second + 2*settleTime,
			play: func(w *world) {
				w.at(faultsBegin, w.nsqd[0].hang)
				w.at(faultsBegin+time.Second, func() {
					for _, s := range w.servers {
						if s.tried > 0 { // the current heartbeat of the server s is only in the socket of the hung nsqd
							s.die(crashed)
						}
					}
				})
				w.at(faultsBegin+30*time.Second, w.nsqd[0].resume)
			}},
		{name: "1 of 3 nsqd killed 30 s", length: faultsBegin + 30*time.Second + settleTime, play: kill(30 * time.Second)},
		{name: "1 of 3 nsqd killed 30 s, senders try no other", network: plain, everyNthSeed: 4, naiveFails: true,
			length: faultsBegin + 30*time.Second + settleTime, play: kill(30 * time.Second)},
		{name: "1 of 3 nsqd killed for ever", length: faultsBegin + 30*time.Second, long: 5 * time.Minute,
			play: func(w *world) { w.at(faultsBegin, w.nsqd[0].kill) }},
		{name: "1 of 3 nsqd killed and restarted", length: faultsBegin + time.Second + settleTime, play: kill(time.Second)},
		{name: "all nsqd stopped 15 s", alsoUnprobed: true, length: faultsBegin + 15*time.Second + settleTime, naiveFails: true, play: stop(3, 15*time.Second)},
		{name: "all nsqd stopped 60 s", everyNthSeed: 2, alsoUnprobed: true, length: faultsBegin + 60*time.Second + settleTime, naiveFails: true, play: stop(3, 60*time.Second)},
		{name: "rolling restart of nsqd", length: faultsBegin + 30*time.Second + settleTime, play: func(w *world) {
			for i, d := range w.nsqd {
				w.at(faultsBegin+time.Duration(i)*10*time.Second, d.kill)
				w.at(faultsBegin+time.Duration(i)*10*time.Second+5*time.Second, d.restart)
			}
		}},
	}
}

func apiScenarios() []scenario {
	var all []scenario
	for _, length := range []time.Duration{6 * time.Second, 15 * time.Second, 60 * time.Second} {
		all = append(all, scenario{
			name: fmt.Sprintf("API server stopped %v s", length.Seconds()), length: faultsBegin + length + settleTime, naiveFails: true, alsoUnprobed: true,
			play: func(w *world) {
				// Between two ticks, the step at which the API server pauses is random. The step at which it resumes is random too.
				at := faultsBegin + time.Duration(w.rng.IntN(10))*step
				w.at(at, w.api.pause)
				w.at(at+length+time.Duration(w.rng.IntN(10))*step, w.api.resume)
				if length > 2*ttl { // servers restart and die while the API server is paused
					for _, s := range w.pick(5) {
						w.at(at+5*time.Second, s.restart)
						w.at(at+2*ttl, func() { s.die(crashed) })
					}
				}
			},
		})
	}
	return append(all,
		scenario{name: "CPU cut to 10 %", alsoUnprobed: true, length: faultsBegin + 30*time.Second, long: 5 * time.Minute, play: func(w *world) {
			w.at(faultsBegin, func() { w.api.share = 10 })
			w.at(faultsBegin+20*time.Second, func() { w.api.share = 100 })
		}},
		scenario{name: "API server cut off 60 s", everyNthSeed: 2, alsoUnprobed: true, length: faultsBegin + 60*time.Second + settleTime, naiveFails: true, play: func(w *world) {
			w.at(faultsBegin, w.api.disconnect)
			w.at(faultsBegin+60*time.Second, w.api.reconnect)
		}},
		scenario{name: "API server killed, restarted with its snapshot", length: faultsBegin + 25*time.Second, deaths: 5, play: restartAPIServer},
	)
}

// restartAPIServer kills the API server and starts it again. Servers that died while it was down must be detected, and the others must be
// routable within two seconds of its start.
func restartAPIServer(w *world) {
	w.at(faultsBegin-time.Second, w.api.saveSnapshot)
	w.at(faultsBegin, func() { w.api.stop() })
	for _, s := range w.pick(5) {
		w.at(faultsBegin+time.Second, func() { s.die(crashed) })
	}
	back := faultsBegin + 2*time.Second + time.Duration(w.rng.IntN(100))*step
	w.at(back, func() {
		saved := w.api.readSnapshot()
		w.audit.restored(saved)
		w.api.begin(saved)
	})
	w.at(back+2*time.Second, func() {
		routable := w.api.routable()
		for _, s := range w.servers {
			if s.is(running) && !routable[s.key] {
				w.audit.fail("%s is not routable two seconds after the restart", s.id)
			}
		}
	})
}

func wallClockScenarios() []scenario {
	var all []scenario
	for _, by := range []time.Duration{time.Hour, -time.Hour} {
		all = append(all,
			scenario{name: fmt.Sprintf("wall clock of the API server %+g h", by.Hours()), length: faultsBegin + settleTime, long: faultsBegin + 2*time.Minute,
				play: func(w *world) { w.at(faultsBegin, func() { w.api.clock = by }) }},
			scenario{name: fmt.Sprintf("wall clock of an nsqd %+g h", by.Hours()), length: faultsBegin + settleTime,
				play: func(w *world) { w.at(faultsBegin, func() { w.nsqd[0].skew += by }) }},
		)
	}
	return all
}

func deathScenarios() []scenario {
	alone := network{onlyServersFail: true}
	half := func(f fate) func(*world) {
		return func(w *world) {
			for _, s := range w.pick(len(w.servers) / 2) {
				w.at(faultsBegin, func() { s.die(f) })
			}
		}
	}
	return []scenario{
		{name: "crashes and black holes", network: alone, length: faultsBegin + 10*time.Second + 15*time.Second, deaths: 60,
			play: func(w *world) {
				for i, s := range w.pick(60) {
					f := []fate{crashed, vanished}[i%2]
					w.at(faultsBegin+w.moment(10*time.Second), func() { s.die(f) })
				}
			}},
		{name: "stops, leaves and late returns", network: alone, length: faultsBegin + 40*time.Second, deaths: 10, play: stopAndLeave},
		{name: "restarts, short stops and leaves that are none", network: alone, length: faultsBegin + 25*time.Second, play: restartAndResume},
		{name: "restarts and leaves, half of the messages late", network: network{late: 0.5, lateBy: 3 * time.Second}, length: faultsBegin + 25*time.Second,
			play: func(w *world) {
				for _, s := range w.pick(100) { // a late message of the old incarnation can arrive after the leave of the new incarnation
					at := w.soon(func() { s.become(crashed) })
					w.at(at+200*time.Millisecond, s.restart)
					w.at(at+time.Second, s.leave)
				}
			}},
		{name: "two of five servers die", network: alone, servers: 5, length: faultsBegin + 15*time.Second, deaths: 2,
			play: func(w *world) {
				for i, s := range w.pick(2) {
					w.at(faultsBegin+w.moment(3*time.Second), func() { s.die([]fate{crashed, vanished}[i]) })
				}
			}},
		{name: "half of the servers crash together", length: faultsBegin + 20*time.Second, deaths: serverCount / 2, play: half(crashed)},
		{name: "half of the servers vanish together", length: faultsBegin + 20*time.Second, deaths: serverCount / 2, play: half(vanished)},
		{name: "all nsqd dead, five servers really die", length: faultsBegin + 30*time.Second + settleTime, naiveFails: true, deaths: 5,
			play: func(w *world) {
				for _, d := range w.nsqd {
					w.at(faultsBegin, d.kill)
					w.at(faultsBegin+30*time.Second, d.restart)
				}
				dead := w.pick(5)
				for _, s := range dead {
					w.at(faultsBegin+5*time.Second, func() { s.die(crashed) })
				}
				w.at(faultsBegin+25*time.Second, func() {
					if found := len(w.audit.detection.crashed); found != len(dead) {
						w.audit.fail("%d of %d dead servers are detected", found, len(dead))
					}
				})
			}},
	}
}

// stopAndLeave makes ten servers pause for good, ten leave for good, ten leave and come back, and ten crash and come back.
func stopAndLeave(w *world) {
	servers := w.pick(40)
	for _, s := range servers[:10] {
		w.soon(func() { s.die(paused) })
	}
	for _, s := range servers[10:20] {
		w.soon(s.leave)
	}
	for _, s := range servers[20:30] {
		w.at(w.soon(s.leave)+2*time.Second+w.moment(10*time.Second), s.restart)
	}
	for _, s := range servers[30:] {
		w.at(w.soon(func() { s.become(crashed) })+10*time.Second+w.moment(5*time.Second), s.restart)
	}
}

// restartAndResume makes ten servers restart at once, ten pause for less than a TTL, and ten go on publishing after their leave. The audit
// allows the last ten to register again, but not within a TTL of their leave.
func restartAndResume(w *world) {
	servers := w.pick(30)
	for _, s := range servers[:10] {
		w.at(w.soon(func() { s.become(crashed) })+w.moment(time.Second), s.restart)
	}
	for _, s := range servers[10:20] {
		w.at(w.soon(func() { s.become(paused) })+w.moment(8*time.Second), s.resume)
	}
	for _, s := range servers[20:] {
		w.soon(func() {
			s.leave()
			s.publishesAfterLeave = true
			s.plan(w.now + steps(time.Second))
		})
	}
}

// soon plans a call of the function do at a random time in the five seconds after faultsBegin. It returns the planned time.
func (w *world) soon(do func()) time.Duration {
	at := faultsBegin + w.moment(5*time.Second)
	w.at(at, do)
	return at
}

// pick returns n random servers.
func (w *world) pick(n int) []*dataServer {
	picked := make([]*dataServer, n)
	for i, j := range w.rng.Perm(len(w.servers))[:n] {
		picked[i] = w.servers[j]
	}
	return picked
}

// moment returns a random duration that is less than d and a whole number of steps.
func (w *world) moment(d time.Duration) time.Duration {
	return time.Duration(randomSteps(w.rng, d)-1) * step
}

// restored tells the audit that the API server starts from a snapshot. The audit then expects that revisions continue from the revision of
// the snapshot.
func (c *audit) restored(s *registry.Snapshot) {
	c.revision = s.Revision
}
