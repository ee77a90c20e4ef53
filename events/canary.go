package events

import (
	"encoding/json"
	"time"
)

// EncodeCanary writes what an API server publishes to each nsqd on the heartbeat topic itself: a message that takes the
// way of a heartbeat and says nothing of any server. When it comes through an nsqd, heartbeats can. On the wire it is
//
//	{"v":1,"type":"canary","id":"api-1","incarnation":1763812345678,"seq":42000000}
//
// with the id of the API server, the start of its process in Unix milliseconds, and the microseconds from then until
// now, by the monotonic clock if both times have it.
func EncodeCanary(observer string, started, now time.Time) ([]byte, error) {
	return json.Marshal(struct {
		V           int    `json:"v"`
		Type        Kind   `json:"type"`
		ID          string `json:"id"`
		Incarnation int64  `json:"incarnation"`
		Seq         uint64 `json:"seq"`
	}{1, KindCanary, observer, started.UnixMilli(), uint64(max(0, now.Sub(started).Microseconds()))})
}

// CanarySent returns when a canary was sent, to the microsecond and with the monotonic reading of started, and false if
// h is none or that of another process than the one that started then.
func (h *Heartbeat) CanarySent(observer string, started time.Time) (time.Time, bool) {
	const century = 100 * 365 * 24 * uint64(time.Hour/time.Microsecond) // a longer one is forged, and no Duration
	if h.Type != KindCanary || h.ID != observer || h.Incarnation != started.UnixMilli() || h.Seq > century {
		return time.Time{}, false
	}
	return started.Add(time.Duration(h.Seq) * time.Microsecond), true
}
