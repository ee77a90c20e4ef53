package sim

import (
	"context"
	"fmt"
	"time"

	"rollcall/events"
	"rollcall/integration/fixture"
)

// queueScenarios delay messages between nsqd and the registry.
func queueScenarios() []scenario {
	const deaths = 10
	var all []scenario
	for _, growing := range []time.Duration{6 * time.Second, 20 * time.Second} { // the API server reads one message per step, a fifth of the messages that arrive
		all = append(all, scenario{
			name: fmt.Sprintf("a queue in front of the mailbox grows for %v s", growing.Seconds()), alsoUnprobed: true, naiveFails: growing > ttl,
			length: faultsBegin + growing + 2*settleTime, deaths: deaths,
			play: func(w *world) {
				w.at(faultsBegin, func() { w.api.rate, w.api.mailbox = 1, w.seed%2 == 0 })
				gone := faultsBegin + growing
				expectFewSuspects(w, faultsBegin, gone+settleTime)
				w.at(gone, func() { w.api.rate = 100 })
				// If messages became older than a TTL, the registry was blind. Until it has warmed up again, it expires no server for its
				// silence.
				holes := time.Duration(0)
				if growing > ttl {
					holes = settleTime
				}
				killAndExpect(w, deaths, gone+time.Second, 0, holes)
			}})
	}
	for _, lag := range []time.Duration{2 * time.Second, 5 * time.Second} {
		all = append(all, scenario{
			name: fmt.Sprintf("every message is %v s late", lag.Seconds()), alsoUnprobed: true, length: faultsBegin + 3*settleTime, deaths: deaths,
			play: func(w *world) {
				w.at(faultsBegin, func() { w.api.lag, w.api.mailbox = lag, w.seed%2 == 0 })
				expectFewSuspects(w, faultsBegin, faultsBegin+2*settleTime)
				killAndExpect(w, deaths, faultsBegin+settleTime, lag, 0)
			}})
	}
	for _, lag := range []time.Duration{4 * time.Second, 16 * time.Second} {
		all = append(all, scenario{
			name: fmt.Sprintf("messages through 1 of 3 nsqd are %v s late", lag.Seconds()), naiveFails: lag > ttl, length: faultsBegin + 4*settleTime, deaths: deaths,
			play: func(w *world) {
				w.at(faultsBegin, func() { w.nsqd[0].lag = lag })
				// The registry regards an nsqd as silent if its messages are late by a TTL or more. While one of three nsqd is silent, the
				// lease clock runs at two thirds of real time; lease ages also stand still for an interval.
				killAndExpect(w, deaths, faultsBegin+2*settleTime, min(lag, ttl), 0)
				w.at(faultsBegin+3*settleTime, func() { w.nsqd[0].lag = 0 })
			}})
	}
	return all
}

// unreachedScenarios are scenarios in which the API server cannot reach some of the nsqd that it knows. In half of these scenarios senders
// publish to such nsqd.
func unreachedScenarios() []scenario {
	const deaths = 10
	invented := func(n int) func(*world) {
		return func(w *world) {
			for i := range n {
				w.api.unreached = append(w.api.unreached, fmt.Sprintf("10.9.0.%d:4150", i))
			}
			killAndExpect(w, deaths, faultsBegin, 0, 0)
		}
	}
	return []scenario{
		{name: "nsqlookupd names 3 nsqd that there are and 3 invented ones", length: faultsBegin + settleTime, deaths: deaths, play: invented(3)},
		{name: "nsqlookupd names 3 nsqd that there are and 27 invented ones", length: faultsBegin + settleTime, deaths: deaths, play: invented(27)},
		{name: "the API server never reaches 1 of 3 nsqd, all senders do", length: faultsBegin + 60*time.Second, long: 20 * time.Minute, everyNthSeed: 2, naiveFails: true,
			play: func(w *world) {
				w.nsqd[0].unreached = true
				killAndExpect(w, deaths, faultsBegin, 0, 0)
			}},
		{name: "the API server never reaches 2 of 3 nsqd, all senders do", length: faultsBegin + 90*time.Second, long: 20 * time.Minute, everyNthSeed: 2, naiveFails: true,
			play: func(w *world) {
				w.nsqd[0].unreached, w.nsqd[1].unreached = true, true
				killAndExpect(w, deaths, faultsBegin, 0, 0)
			}},
	}
}

// killAndExpect kills n servers at random times within a second, and fails the test if they do not expire in time. Half of the servers
// crash, and must expire within crashLimit plus delay. The others lose their host, and must expire within vanishLimit plus delay plus
// holes. Without probes, vanishLimit counts for all of them. A server that never registered need not expire.
func killAndExpect(w *world, n int, at, delay, holes time.Duration) {
	for i, s := range w.pick(n) {
		fate, limit := crashed, crashLimit+delay
		if i%2 > 0 {
			fate = vanished
		}
		if fate == vanished || w.network.unprobed {
			limit = vanishLimit + delay + holes
		}
		w.at(at+w.moment(time.Second), func() {
			life := serverLife{s.key, s.incarnation}
			registered := w.audit.lives[life] != ""
			s.become(fate)
			w.after(limit, func() {
				if now := w.audit.lives[life]; registered && now != events.TypeExpired {
					w.audit.fail("%s is %s %v after its death", s.id, now, limit)
				}
			})
		})
	}
}

// expectFewSuspects fails the test if, at any tick of a period, more than a tenth of the servers are suspect.
func expectFewSuspects(w *world, from, to time.Duration) {
	for at := from; at < to; at += tickInterval {
		w.at(at, func() {
			st, err := w.api.registry.Stats(context.Background())
			fixture.Must(w.t, err)
			if st.Suspects > len(w.servers)/10 {
				w.audit.fail("%d servers are suspect: %s", st.Suspects, st.ModeDetail)
			}
		})
	}
}
