package pipeline

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"rollcall/events"
)

// UnknownFields counts the fields of heartbeats that this version does not know, and logs their names once a minute. It is safe
// for concurrent use.
type UnknownFields struct {
	total prometheus.Counter
	log   *zap.Logger

	mu     sync.Mutex
	logged time.Time // time of the last log message
}

// NewUnknownFields starts nothing.
func NewUnknownFields(m *Metrics, log *zap.Logger) *UnknownFields {
	return &UnknownFields{total: m.unknown, log: log}
}

// Report counts the fields of one heartbeat. The names of the fields are not label values, because senders can invent any number of
// names.
func (u *UnknownFields) Report(h *events.Heartbeat, names []string) {
	u.total.Add(float64(len(names)))
	if u.due(time.Now()) {
		u.log.Warn("heartbeat has unknown fields, which are ignored; further ones are not logged for a minute",
			append(senderFields(h), zap.Strings("fields", names))...)
	}
}

func (u *UnknownFields) due(now time.Time) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if !u.logged.IsZero() && now.Sub(u.logged) < time.Minute {
		return false
	}
	u.logged = now
	return true
}
