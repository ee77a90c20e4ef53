package events

import (
	"errors"
	"fmt"
	"time"
)

// ErrInvalid matches every *InvalidError. The error is in the message itself, so delivering the message again is useless.
var ErrInvalid = errors.New("events: invalid message")

// Reason is why a stage rejected or dropped a heartbeat. It is the value of the label "reason" of the metric
// rollcall_heartbeats_rejected_total.
type Reason string

const (
	ReasonMalformed   Reason = "malformed"
	ReasonTooLarge    Reason = "toolarge"
	ReasonVersion     Reason = "version"
	ReasonService     Reason = "service"
	ReasonAddress     Reason = "address"
	ReasonDenied      Reason = "denied"
	ReasonMeta        Reason = "meta"
	ReasonWeight      Reason = "weight"
	ReasonSeq         Reason = "seq"
	ReasonIncarnation Reason = "incarnation"
	ReasonInterval    Reason = "interval"
	ReasonStale       Reason = "stale"
	ReasonDuplicate   Reason = "duplicate"
)

// Reasons returns every reason.
func Reasons() []Reason {
	return []Reason{ReasonMalformed, ReasonTooLarge, ReasonVersion, ReasonService, ReasonAddress, ReasonDenied, ReasonMeta,
		ReasonWeight, ReasonSeq, ReasonIncarnation, ReasonInterval, ReasonStale, ReasonDuplicate}
}

// InvalidError is the error of an invalid message. Detail is a sentence for humans.
type InvalidError struct {
	Reason Reason
	Detail string
}

func (e *InvalidError) Error() string { return string(e.Reason) + ": " + e.Detail }

// Is makes errors.Is(err, ErrInvalid) true.
func (e *InvalidError) Is(target error) bool { return target == ErrInvalid }

// Invalid returns an *InvalidError.
func Invalid(r Reason, format string, args ...any) error {
	return &InvalidError{Reason: r, Detail: fmt.Sprintf(format, args...)}
}

// Rejected is a message on the .invalid topic: the body of a rejected heartbeat, and the reason.
type Rejected struct {
	Reason Reason    `json:"reason"`
	Detail string    `json:"detail"`
	Time   time.Time `json:"time"`
	Via    string    `json:"via"`  // address of the nsqd through which the message came
	Body   []byte    `json:"body"` // in base64 in JSON, because the body can be binary
}
