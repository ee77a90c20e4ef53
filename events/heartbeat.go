package events

import (
	"net/netip"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Limits of a heartbeat. A body or field beyond them is invalid, never truncated.
const (
	MaxBody      = 8 << 10 // bytes
	MaxID        = 128     // bytes
	MaxLabel     = 128     // bytes of zone, version and each tag
	MaxTags      = 16
	MaxMetaKeys  = 32
	MaxMetaKey   = 64  // bytes
	MaxMetaValue = 256 // bytes
	MaxWeight    = 1000
)

// DefaultWeight is the weight of a server that states none.
const DefaultWeight = 100

// Kind tells what a heartbeat message says.
type Kind string

const (
	KindHeartbeat Kind = "heartbeat" // I am here, until the TTL ends
	KindLeave     Kind = "leave"     // this incarnation goes; nothing of it is taken for its TTL
	KindCanary    Kind = "canary"    // an API server checks that it hears; see EncodeCanary
)

// Heartbeat is what a server publishes about itself, each interval.
//
// (Incarnation, Seq) orders the heartbeats of one server whatever order they arrive in. Both are
// 0 for a sender that states none; the broker's stamp orders those.
type Heartbeat struct {
	V           int       `json:"v"` // format version: 1
	Type        Kind      `json:"type"`
	Service     string    `json:"service"`
	ID          string    `json:"id"`                    // unique in its service; the address by default
	Addr        string    `json:"addr"`                  // IP:port, where the service answers
	Incarnation int64     `json:"incarnation,omitempty"` // start of the process, Unix milliseconds
	Seq         uint64    `json:"seq,omitempty"`         // counts from 1 within an incarnation
	IntervalMS  int64     `json:"interval_ms,omitempty"` // 0: the API server's default
	TTLMS       int64     `json:"ttl_ms,omitempty"`      // 0: the API server's default
	Weight      int       `json:"weight"`                // 0..MaxWeight; 0 takes no new requests (drained)
	Zone        string    `json:"zone,omitempty"`
	Version     string    `json:"version,omitempty"`
	Tags        []string  `json:"tags,omitempty"`
	Meta        Meta      `json:"meta,omitempty"`
	Load        *Load     `json:"load,omitempty"`
	SentAt      time.Time `json:"sent_at,omitzero"` // sender's clock: for people, never for a lease
}

// Load is how busy a server says it is.
type Load struct {
	InFlight int64 `json:"in_flight"` // requests being served
}

// Receipt tells how and when a message reached this process.
type Receipt struct {
	Via         string    // address of the nsqd it came through
	PublishedAt time.Time // that nsqd's stamp, on its wall clock
	ReceivedAt  time.Time // this process's clock, with its monotonic reading

	// Delay is how long the message waited in NSQ, never negative. It is not the difference of the two
	// above: those are of two clocks.
	Delay time.Duration
}

// Interval is the promised distance between two heartbeats.
func (h *Heartbeat) Interval() time.Duration { return time.Duration(h.IntervalMS) * time.Millisecond }

// TTL is how long the server may stay silent.
func (h *Heartbeat) TTL() time.Duration { return time.Duration(h.TTLMS) * time.Millisecond }

// FillLease gives a heartbeat that states no interval or no TTL the one given here, and keeps the TTL at two
// intervals or more where only one of them was stated.
func (h *Heartbeat) FillLease(interval, ttl time.Duration) {
	if h.TTLMS == 0 {
		h.TTLMS = min(max(ttl.Milliseconds(), 2*h.IntervalMS), MaxLease.Milliseconds())
	}
	if h.IntervalMS == 0 {
		h.IntervalMS = min(interval.Milliseconds(), h.TTLMS/2)
	}
}

// MaxLease bounds interval_ms and ttl_ms: nobody is kept for a day after the last word.
const MaxLease = 24 * time.Hour

// Validate checks the format of every field, except that it leaves a host name in Addr to the
// caller's policy (see ParseAddr). It returns nil or an *InvalidError that names the field.
func (h *Heartbeat) Validate() error {
	switch {
	case h.V != 1:
		return Invalid(ReasonVersion, "v is %d, want 1", h.V)
	case h.Type != KindHeartbeat && h.Type != KindLeave:
		return Invalid(ReasonMalformed, "type %.32q, want heartbeat or leave", string(h.Type))
	case !ValidService(h.Service):
		return Invalid(ReasonService, "service %.80q, want a DNS label in lower case", h.Service)
	case h.Addr == "" || !printable(h.Addr):
		return Invalid(ReasonAddress, "addr %.80q, want a printable one", h.Addr)
	case h.ID == "" || len(h.ID) > MaxID || !printable(h.ID):
		return Invalid(ReasonMeta, "id of %d bytes, want 1 to %d printable ones", len(h.ID), MaxID)
	case h.Weight < 0 || h.Weight > MaxWeight:
		return Invalid(ReasonWeight, "weight %d, want 0 to %d", h.Weight, MaxWeight)
	case h.Incarnation < 0:
		return Invalid(ReasonIncarnation, "incarnation %d is negative", h.Incarnation)
	case h.Incarnation > 0 && h.Seq == 0:
		return Invalid(ReasonSeq, "seq is 0 although incarnation is %d", h.Incarnation)
	case h.Incarnation == 0 && h.Seq > 0:
		return Invalid(ReasonIncarnation, "incarnation is 0 although seq is %d", h.Seq)
	}
	if err := h.validateLease(); err != nil {
		return err
	}
	return h.validateLabels()
}

// validateLease allows 0 in either field: the API server fills it.
func (h *Heartbeat) validateLease() error {
	const limit = int64(MaxLease / time.Millisecond)
	switch {
	case h.IntervalMS < 0 || h.IntervalMS > limit:
		return Invalid(ReasonInterval, "interval_ms %d, want 0 to %d", h.IntervalMS, limit)
	case h.TTLMS < 0 || h.TTLMS > limit:
		return Invalid(ReasonInterval, "ttl_ms %d, want 0 to %d", h.TTLMS, limit)
	case h.TTLMS == 1:
		return Invalid(ReasonInterval, "ttl_ms 1, want 0 or at least 2: an interval is shorter")
	case h.TTLMS > 0 && h.IntervalMS >= h.TTLMS:
		return Invalid(ReasonInterval, "interval_ms %d is not below ttl_ms %d", h.IntervalMS, h.TTLMS)
	}
	return nil
}

func (h *Heartbeat) validateLabels() error {
	if len(h.Zone) > MaxLabel || !printable(h.Zone) {
		return Invalid(ReasonMeta, "zone of %d bytes, want at most %d printable ones", len(h.Zone), MaxLabel)
	}
	if len(h.Version) > MaxLabel || !printable(h.Version) {
		return Invalid(ReasonMeta, "version of %d bytes, want at most %d printable ones", len(h.Version), MaxLabel)
	}
	if len(h.Tags) > MaxTags {
		return Invalid(ReasonMeta, "%d tags, want at most %d", len(h.Tags), MaxTags)
	}
	for _, t := range h.Tags {
		if t == "" || len(t) > MaxLabel || !printable(t) {
			return Invalid(ReasonMeta, "tag %.32q, want 1 to %d printable bytes", t, MaxLabel)
		}
	}
	return h.Meta.validate()
}

// ParseAddr reads an IP literal and a port from 1 to 65535, and unmaps an IPv4 address in IPv6
// form. Zone ids, leading zeros, URLs and host names are errors.
func ParseAddr(s string) (netip.AddrPort, error) {
	ap, err := netip.ParseAddrPort(s)
	switch {
	case err != nil:
		return netip.AddrPort{}, Invalid(ReasonAddress, "addr %.80q: want an IP address and a port", s)
	case s[strings.LastIndexByte(s, ':')+1] == '0': // netip takes 08080
		return netip.AddrPort{}, Invalid(ReasonAddress, "addr %.80q: port 0 or a leading zero", s)
	case ap.Addr().Zone() != "":
		return netip.AddrPort{}, Invalid(ReasonAddress, "addr %.80q: zone id", s)
	}
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port()), nil
}

// ValidService reports whether s is a legal name of a service: a DNS label in lower case,
// ^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$.
func ValidService(s string) bool {
	if s == "" || len(s) > 63 || s[0] == '-' || s[len(s)-1] == '-' {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return true
}

// printable reports whether s is valid UTF-8 without control characters.
func printable(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return printableUnicode(s)
		}
		if s[i] < ' ' || s[i] == 0x7f {
			return false
		}
	}
	return true
}

func printableUnicode(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl)
}
