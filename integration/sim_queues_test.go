package integration

import (
	"context"
	"fmt"
	"time"

	"rollcall/events"
)

// simQueues put a queue between nsqd and the registry's judgement: messages are heard, and are old.
func simQueues() []simScenario {
	const deaths = 10
	var all []simScenario
	for _, growing := range []time.Duration{6 * time.Second, 20 * time.Second} { // it is read at a fifth of what comes
		all = append(all, simScenario{
			name: fmt.Sprintf("a queue in front of the mailbox grows for %v s", growing.Seconds()), unasked: true, harm: growing > simLease,
			length: simCalm + growing + 2*simAfter, deaths: deaths,
			play: func(w *simWorld) {
				w.at(simCalm, func() { w.api.rate, w.api.mailbox = 1, w.seed%2 == 0 })
				gone := simCalm + growing
				simFewSuspects(w, simCalm, gone+simAfter)
				w.at(gone, func() { w.api.rate = 100 })
				// Behind messages older than a TTL the registry was blind, and is warming: it has silence end nobody.
				holes := time.Duration(0)
				if growing > simLease {
					holes = simAfter
				}
				simDieIn(w, deaths, gone+time.Second, 0, holes)
			}})
	}
	for _, lag := range []time.Duration{2 * time.Second, 5 * time.Second} {
		all = append(all, simScenario{
			name: fmt.Sprintf("every message is %v s late", lag.Seconds()), unasked: true, length: simCalm + 3*simAfter, deaths: deaths,
			play: func(w *simWorld) {
				w.at(simCalm, func() { w.api.lag, w.api.mailbox = lag, w.seed%2 == 0 })
				simFewSuspects(w, simCalm, simCalm+2*simAfter)
				simDieIn(w, deaths, simCalm+simAfter, lag, 0)
			}})
	}
	for _, lag := range []time.Duration{4 * time.Second, 16 * time.Second} {
		all = append(all, simScenario{
			name: fmt.Sprintf("messages through 1 of 3 nsqd are %v s late", lag.Seconds()), harm: lag > simLease, length: simCalm + 4*simAfter, deaths: deaths,
			play: func(w *simWorld) {
				w.at(simCalm, func() { w.nsqd[0].lag = lag })
				// Those that are too late count as blind: L runs at two thirds, and ages wait for an interval.
				simDieIn(w, deaths, simCalm+2*simAfter, min(lag, simLease), 0)
				w.at(simCalm+3*simAfter, func() { w.nsqd[0].lag = 0 })
			}})
	}
	return all
}

// simUnreached are nsqd that the API server knows and has never reached, while senders publish to some of them.
func simUnreached() []simScenario {
	const deaths = 10
	invented := func(n int) func(*simWorld) {
		return func(w *simWorld) {
			for i := range n {
				w.api.unreached = append(w.api.unreached, fmt.Sprintf("10.9.0.%d:4150", i))
			}
			simDieIn(w, deaths, simCalm, 0, 0)
		}
	}
	return []simScenario{
		{name: "nsqlookupd names 3 nsqd that there are and 3 invented ones", length: simCalm + simAfter, deaths: deaths, play: invented(3)},
		{name: "nsqlookupd names 3 nsqd that there are and 27 invented ones", length: simCalm + simAfter, deaths: deaths, play: invented(27)},
		{name: "the API server never reaches 1 of 3 nsqd, all senders do", length: simCalm + 60*time.Second, long: 20 * time.Minute, rare: 2, harm: true,
			play: func(w *simWorld) {
				w.nsqd[0].unreached = true
				simDieIn(w, deaths, simCalm, 0, 0)
			}},
		{name: "the API server never reaches 2 of 3 nsqd, all senders do", length: simCalm + 90*time.Second, long: 20 * time.Minute, rare: 2, harm: true,
			play: func(w *simWorld) {
				w.nsqd[0].unreached, w.nsqd[1].unreached = true, true
				simDieIn(w, deaths, simCalm, 0, 0)
			}},
	}
}

// simDieIn lets n servers die within a second, half of them crashed and half vanished, and sees to it that the end of each
// is found as soon as without faults, or later by delay, and for those that vanished by holes. One that was never heard
// cannot be found.
func simDieIn(w *simWorld, n int, at, delay, holes time.Duration) {
	for i, s := range w.pick(n) {
		fate, limit := simCrashed, simWorstCrash+delay
		if i%2 > 0 {
			fate = simVanished
		}
		if fate == simVanished || w.network.unasked {
			limit = simWorstVanish + delay + holes
		}
		w.at(at+w.moment(time.Second), func() {
			life := simLife{s.key, s.incarnation}
			heard := w.audit.lives[life] != ""
			s.become(fate)
			w.after(limit, func() {
				if now := w.audit.lives[life]; heard && now != events.TypeExpired {
					w.audit.wrong("%s is %s %v after its end", s.id, now, limit)
				}
			})
		})
	}
}

// simFewSuspects sees to it that a lag does not make the servers suspect that are heard late.
func simFewSuspects(w *simWorld, from, to time.Duration) {
	for at := from; at < to; at += simTick {
		w.at(at, func() {
			st, err := w.api.registry.Stats(context.Background())
			must(w.t, err)
			if st.Suspects > len(w.servers)/10 {
				w.audit.wrong("%d servers are suspect: %s", st.Suspects, st.ModeDetail)
			}
		})
	}
}
