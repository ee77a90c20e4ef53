package events

import (
	"encoding/json"
	"time"
)

// EncodeCanary encodes a canary. An API server publishes canaries to each nsqd on the heartbeat topic: if a canary arrives,
// heartbeats can arrive through that nsqd too. A canary describes no server. Its form is
//
//	{"v":1,"type":"canary","id":"api-1","incarnation":1763812345678,"seq":42000000}
//
// The id is that of the API server. The incarnation is the start of its process in Unix milliseconds. The seq is the time
// from started to now in microseconds, by the monotonic clock if started and now have a monotonic reading.
func EncodeCanary(observer string, started, now time.Time) ([]byte, error) {
	return json.Marshal(struct {
		V           int    `json:"v"`
		Type        Kind   `json:"type"`
		ID          string `json:"id"`
		Incarnation int64  `json:"incarnation"`
		Seq         uint64 `json:"seq"`
	}{1, KindCanary, observer, started.UnixMilli(), uint64(max(0, now.Sub(started).Microseconds()))})
}

// CanarySent returns the time at which this process sent the canary h, to the microsecond. The time has a monotonic reading
// if started has one. CanarySent returns false if h is no canary, or if another API server or a process with another start
// time sent h.
func (h *Heartbeat) CanarySent(observer string, started time.Time) (time.Time, bool) {
	const century = 100 * 365 * 24 * uint64(time.Hour/time.Microsecond) // a Duration holds at most 292 years; a forged canary can state more
	if h.Type != KindCanary || h.ID != observer || h.Incarnation != started.UnixMilli() || h.Seq > century {
		return time.Time{}, false
	}
	return started.Add(time.Duration(h.Seq) * time.Microsecond), true
}
