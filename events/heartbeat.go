package events

import (
	"net/netip"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Limits of a heartbeat. A body or field that exceeds its limit is invalid; it is never truncated.
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

// DefaultWeight is the weight of a server that states no weight.
const DefaultWeight = 100

// Kind is the type of a message on the heartbeat topic.
type Kind string

const (
	KindHeartbeat Kind = "heartbeat" // the server is alive; its lease begins again and lasts one TTL
	KindLeave     Kind = "leave"     // this incarnation of the server stops; API servers ignore its heartbeats for one TTL
	KindCanary    Kind = "canary"    // published by API servers; see EncodeCanary
)

// Heartbeat is the message that a server publishes about itself each interval.
//
// (Incarnation, Seq) orders the heartbeats of one server, because NSQ can deliver them in any order. If a sender states
// neither Incarnation nor Seq, both are 0, and nsqd's timestamps order its heartbeats.
type Heartbeat struct {
	V           int       `json:"v"` // format version: 1
	Type        Kind      `json:"type"`
	Service     string    `json:"service"`
	ID          string    `json:"id"`                    // unique within its service; the address by default
	Addr        string    `json:"addr"`                  // IP:port at which the server accepts requests
	Incarnation int64     `json:"incarnation,omitempty"` // start of the process, Unix milliseconds
	Seq         uint64    `json:"seq,omitempty"`         // number of the heartbeat within the incarnation, beginning with 1
	IntervalMS  int64     `json:"interval_ms,omitempty"` // time between two heartbeats; 0: the API server's default
	TTLMS       int64     `json:"ttl_ms,omitempty"`      // duration of the lease; 0: the API server's default
	Weight      int       `json:"weight"`                // 0..MaxWeight; 0: receives no new requests (drained)
	Zone        string    `json:"zone,omitempty"`
	Version     string    `json:"version,omitempty"`
	Tags        []string  `json:"tags,omitempty"`
	Meta        Meta      `json:"meta,omitempty"`
	Load        *Load     `json:"load,omitempty"`
	SentAt      time.Time `json:"sent_at,omitzero"` // when the heartbeat was sent, by the sender's clock; informational
}

// Load is how busy a server reports to be.
type Load struct {
	InFlight int64 `json:"in_flight"` // number of requests that the server is processing
}

// Receipt describes how and when a message reached this process.
type Receipt struct {
	Via         string    // address of the nsqd through which the message came
	PublishedAt time.Time // nsqd's timestamp of the message, by nsqd's wall clock
	ReceivedAt  time.Time // when this process received the message, with a monotonic reading

	// Delay is how long the message waited in NSQ, never negative. It is not ReceivedAt - PublishedAt, because these times
	// are readings of two different clocks.
	Delay time.Duration
}

// Interval is the time between two heartbeats.
func (h *Heartbeat) Interval() time.Duration { return time.Duration(h.IntervalMS) * time.Millisecond }

// TTL is the duration of the server's lease: the time without a heartbeat after which the lease ends.
func (h *Heartbeat) TTL() time.Duration { return time.Duration(h.TTLMS) * time.Millisecond }

// FillLease sets the interval and the TTL if the heartbeat does not state them. It sets a TTL of at least two intervals but
// at most MaxLease, and an interval of at most half the TTL.
func (h *Heartbeat) FillLease(interval, ttl time.Duration) {
	if h.TTLMS == 0 {
		h.TTLMS = min(max(ttl.Milliseconds(), 2*h.IntervalMS), MaxLease.Milliseconds())
	}
	if h.IntervalMS == 0 {
		h.IntervalMS = min(interval.Milliseconds(), h.TTLMS/2)
	}
}

// MaxLease is the maximum of interval_ms and ttl_ms.
const MaxLease = 24 * time.Hour

// Validate checks every field except the syntax of Addr, which ParseAddr checks. It returns nil or an *InvalidError that
// names the field.
func (h *Heartbeat) Validate() error {
	switch {
	case h.V != 1:
		return Invalid(ReasonVersion, "v is %d, want 1", h.V)
	case h.Type != KindHeartbeat && h.Type != KindLeave:
		return Invalid(ReasonMalformed, "type %.32q, want heartbeat or leave", string(h.Type))
	case !ValidService(h.Service):
		return Invalid(ReasonService, "service %.80q, want a DNS label in lower case", h.Service)
	case h.Addr == "" || !printable(h.Addr):
		return Invalid(ReasonAddress, "addr %.80q, want printable text", h.Addr)
	case h.ID == "" || len(h.ID) > MaxID || !printable(h.ID):
		return Invalid(ReasonMeta, "id of %d bytes, want 1 to %d printable bytes", len(h.ID), MaxID)
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

// validateLease accepts an interval or TTL of 0, because FillLease replaces it.
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
		return Invalid(ReasonMeta, "zone of %d bytes, want at most %d printable bytes", len(h.Zone), MaxLabel)
	}
	if len(h.Version) > MaxLabel || !printable(h.Version) {
		return Invalid(ReasonMeta, "version of %d bytes, want at most %d printable bytes", len(h.Version), MaxLabel)
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

// ParseAddr parses an IP address and a port from 1 to 65535, and converts an IPv4 address in IPv6 form to IPv4. Zones, leading
// zeros, URLs and host names are errors.
func ParseAddr(s string) (netip.AddrPort, error) {
	ap, err := netip.ParseAddrPort(s)
	switch {
	case err != nil:
		return netip.AddrPort{}, Invalid(ReasonAddress, "addr %.80q: want an IP address and a port", s)
	case s[strings.LastIndexByte(s, ':')+1] == '0': // netip.ParseAddrPort accepts 08080
		return netip.AddrPort{}, Invalid(ReasonAddress, "addr %.80q: port 0 or a leading zero", s)
	case ap.Addr().Zone() != "":
		return netip.AddrPort{}, Invalid(ReasonAddress, "addr %.80q: IPv6 zone", s)
	}
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port()), nil
}

// ValidService reports whether s is a valid service name: a DNS label in lower case,
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
