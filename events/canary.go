package events

import (
	"encoding/json"
	"time"
)

// EncodeCanary encodes the message that an API server publishes to each nsqd on the heartbeat topic. A canary is about no
// server. Its arrival shows that heartbeats can arrive through that nsqd. Its form is
//
//	{"v":1,"type":"canary","id":"api-1","incarnation":1763812345678,"seq":42000000}
//
// with the id of the API server, the start of its process in Unix milliseconds, and the microseconds from started to now,
// by the monotonic clock if both times have a monotonic reading.
func EncodeCanary(observer string, started, now time.Time) ([]byte, error) {
	return json.Marshal(struct {
		V           int    `json:"v"`
		Type        Kind   `json:"type"`
		ID          string `json:"id"`
		Incarnation int64  `json:"incarnation"`
		Seq         uint64 `json:"seq"`
	}{1, KindCanary, observer, started.UnixMilli(), uint64(max(0, now.Sub(started).Microseconds()))})
}

// CanarySent returns when this process sent the canary h, to the microsecond, with a monotonic reading if started has one.
// It returns false if h is no canary, or if another API server or a process that started at another time sent it.
func (h *Heartbeat) CanarySent(observer string, started time.Time) (time.Time, bool) {
	const century = 100 * 365 * 24 * uint64(time.Hour/time.Microsecond) // a Duration cannot hold much more; a forged canary may state more
	if h.Type != KindCanary || h.ID != observer || h.Incarnation != started.UnixMilli() || h.Seq > century {
		return time.Time{}, false
	}
	return started.Add(time.Duration(h.Seq) * time.Microsecond), true
}
