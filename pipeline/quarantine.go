package pipeline

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"rollcall/events"
)

// Limits for a flood of invalid messages.
const (
	quarantineRate  = 10             // maximum number of copies in any second
	quarantineQueue = 64             // maximum number of copies that wait to be published; while so many wait, further messages are not copied
	quarantineBody  = events.MaxBody // maximum number of bytes of a body that are copied; a longer body is not a heartbeat
	quarantineLog   = time.Minute
)

// Quarantine receives the rejected messages. It counts every message, sends copies of at most ten messages in any second to the channel
// Copies, and logs at most one message per minute for each reason. It never blocks.
type Quarantine struct {
	rejected *prometheus.CounterVec
	log      *zap.Logger
	copies   chan []events.Rejected

	mu     sync.Mutex
	logged map[events.Reason]time.Time // by reason: the time of the last log message
	copied [quarantineRate]time.Time   // ring buffer: the times of the last ten copies
	oldest int                         // index of the oldest time in copied
}

// NewQuarantine starts nothing.
func NewQuarantine(m *Metrics, log *zap.Logger) *Quarantine {
	return &Quarantine{
		rejected: m.rejected,
		log:      log,
		copies:   make(chan []events.Rejected, quarantineQueue),
		logged:   make(map[events.Reason]time.Time),
	}
}

// Copies returns a channel of rejected messages for a Source that publishes them to the .invalid topic. Each slice has one message, with
// the first 8 KiB of the original body. The channel is never closed.
func (q *Quarantine) Copies() <-chan []events.Rejected { return q.copies }

func (q *Quarantine) add(env *Envelope, err error) {
	reason := events.ReasonMalformed
	if invalid := (*events.InvalidError)(nil); errors.As(err, &invalid) {
		reason = invalid.Reason
	}
	q.rejected.WithLabelValues(string(reason)).Inc()
	toLog, toCopy := q.admit(reason)
	if toLog {
		q.log.Warn("heartbeat rejected; further ones with this reason are not logged for a minute",
			append(sender(env), zap.String("reason", string(reason)), zap.Error(err), zap.String("via", env.Receipt.Via),
				zap.Int("bytes", len(env.Payload)))...)
	}
	if !toCopy {
		return
	}
	body := env.Payload
	if len(body) > quarantineBody {
		body = bytes.Clone(body[:quarantineBody])
	}
	select {
	case q.copies <- []events.Rejected{{
		Reason: reason, Detail: err.Error(), Time: env.Receipt.ReceivedAt.UTC(), Via: env.Receipt.Via, Body: body,
	}}:
	default:
	}
}

// sender returns log fields that name the sender of a message, as far as the message can be parsed.
func sender(env *Envelope) []zap.Field {
	if h := env.Heartbeat; h != nil {
		return senderFields(h)
	}
	service, id, addr := events.Sender(env.Payload)
	return []zap.Field{zap.String("service", service), zap.String("id", id), zap.String("addr", addr)}
}

func senderFields(h *events.Heartbeat) []zap.Field {
	return []zap.Field{zap.String("service", h.Service), zap.String("id", h.ID), zap.String("addr", h.Addr), zap.Int64("incarnation", h.Incarnation)}
}

// admit decides whether to log and whether to copy a message. It uses the current time, because times of receipt can go backward: messages
// are processed concurrently, so they are not rejected in the order of receipt.
func (q *Quarantine) admit(r events.Reason) (toLog, toCopy bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := time.Now()
	if toLog = now.Sub(q.logged[r]) >= quarantineLog; toLog {
		q.logged[r] = now
	}
	if toCopy = now.Sub(q.copied[q.oldest]) >= time.Second; toCopy {
		q.copied[q.oldest] = now
		q.oldest = (q.oldest + 1) % quarantineRate
	}
	return toLog, toCopy
}

// EncodeRejected is the encoder for a Source of rejected messages.
func EncodeRejected(r events.Rejected) ([]byte, error) {
	b, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("pipeline: encode rejected message: %w", err)
	}
	return b, nil
}
