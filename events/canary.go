package events

import (
	"encoding/json"
	"time"
)

// EncodeCanary encodes a canary. An API server publishes canaries to each nsqd on the heartbeat topic: if a canary arrives,
// heartbeats can arrive through that nsqd too. A canary describes no server. A canary looks like this:
//
//	{"v":1,"type":"canary","id":"api-1","incarnation":1763812345678,"seq":42000000}
//
// The id is that of the API server (observer). The incarnation is the start of its process (started) in Unix milliseconds.
// The seq is the age of the process in microseconds. The age is measured with the monotonic clock if both times, started and
// now, have a monotonic reading.
func EncodeCanary(observer string, started, now time.Time) ([]byte, error) {
	return json.Marshal(struct {
		V           int    `json:"v"`
		Type        Kind   `json:"type"`
		ID          string `json:"id"`
		Incarnation int64  `json:"incarnation"`
		Seq         uint64 `json:"seq"`
	}{1, KindCanary, observer, started.UnixMilli(), uint64(max(0, now.Sub(started).Microseconds()))})
}

// CanarySent returns the time at which this process sent the canary h, with a precision of one microsecond. The result has a
// monotonic reading if the argument for `started` has one. CanarySent returns false if h is no canary, if another API server
// sent h, or if a process with another start time sent h.
func (h *Heartbeat) CanarySent(observer string, started time.Time) (time.Time, bool) {
	const century = 100 * 365 * 24 * uint64(time.Hour/time.Microsecond) // limit, because the seq of a forged canary can be larger than a Duration, which holds 292 years
	if h.Type != KindCanary || h.ID != observer || h.Incarnation != started.UnixMilli() || h.Seq > century {
		return time.Time{}, false
	}
	return started.Add(time.Duration(h.Seq) * time.Microsecond), true
}
