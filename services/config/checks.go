package config

import (
	"time"

	"rollcall/services/check"
)

// checkLease checks that the TTL is at least two intervals, so that one lost heartbeat expires no server.
func checkLease(f *check.Fields, section string, interval, ttl time.Duration) {
	checkPositive(f, section+".interval", interval)
	f.That(ttl > interval, section+".ttl", "%v: want more than the interval of %v", ttl, interval)
	f.That(ttl <= interval || ttl >= 2*interval, section+".ttl", "%v: want at least two intervals of %v", ttl, interval)
}

func checkPercent(f *check.Fields, key string, value int) {
	f.That(value >= 0 && value <= 100, key, "%d: want 0 to 100", value)
}

func checkPositive(f *check.Fields, key string, value time.Duration) {
	f.That(value > 0, key, "%v: want more than 0", value)
}

func checkAtLeast(f *check.Fields, key string, value, least time.Duration) {
	f.That(value >= least, key, "%v: want %v or more", value, least)
}
