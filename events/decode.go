package events

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"time"
	"unsafe"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// DecodeHeartbeat decodes a JSON heartbeat or a bare address and sets the defaults of the format: type, id, weight, and the
// service of a bare address. It ignores unknown fields, and treats a field that is null as absent. It checks syntax and types
// only; Validate checks the values. The error is an *InvalidError. The result shares no memory with body.
func DecodeHeartbeat(body []byte) (Heartbeat, error) {
	h, _, err := DecodeFields(bytes.Clone(body))
	return h, err
}

// DecodeFields does what DecodeHeartbeat does and also returns the names of unknown fields, at most eight. The strings of the result can
// be parts of body, so body must not change afterwards.
func DecodeFields(body []byte) (h Heartbeat, unknown []string, err error) {
	if len(body) > MaxBody {
		return Heartbeat{}, nil, Invalid(ReasonTooLarge, "body of %d bytes, want at most %d", len(body), MaxBody)
	}
	if first := bytes.TrimLeft(body, space); len(first) == 0 || first[0] != '{' {
		h, err = decodeBare(body)
		return h, nil, err
	}
	h = Heartbeat{Type: KindHeartbeat, Weight: DefaultWeight}
	if p := (plain{text: unsafe.String(unsafe.SliceData(body), len(body))}); !p.heartbeat(&h) {
		if h, err = decodeStrict(body); err != nil {
			return Heartbeat{}, nil, err
		}
		if unknown, err = unknownFields(body); err != nil {
			return Heartbeat{}, nil, err
		}
	}
	if h.ID == "" {
		h.ID = h.Addr
	}
	return h, unknown, nil
}

// space is the white space of JSON.
const space = " \t\r\n"

// decodeBare decodes a bare address such as 10.0.0.7:8080, with or without a line end. It accepts any short printable text
// that is not JSON, for example a host name; ParseAddr rejects text that is not an address.
func decodeBare(body []byte) (Heartbeat, error) {
	text := strings.Trim(string(body), space)
	switch {
	case text == "" || len(text) > MaxID || jsontext.Value(text).IsValid():
		return Heartbeat{}, Invalid(ReasonMalformed, "%.32q is neither a JSON object nor an address", text)
	case !printable(text):
		return Heartbeat{}, Invalid(ReasonMalformed, "%d bytes that are neither JSON nor text", len(body))
	}
	return Heartbeat{V: 1, Type: KindHeartbeat, Service: DefaultService, ID: text, Addr: text, Weight: DefaultWeight}, nil
}

// wire is a Heartbeat whose fields may be null.
type wire struct {
	V           *int              `json:"v"`
	Type        *Kind             `json:"type"`
	Service     *string           `json:"service"`
	ID          *string           `json:"id"`
	Addr        *string           `json:"addr"`
	Incarnation *int64            `json:"incarnation"`
	Seq         *uint64           `json:"seq"`
	IntervalMS  *int64            `json:"interval_ms"`
	TTLMS       *int64            `json:"ttl_ms"`
	Weight      *int              `json:"weight"`
	Zone        *string           `json:"zone"`
	Version     *string           `json:"version"`
	Tags        []string          `json:"tags"`
	Meta        map[string]string `json:"meta"`
	Load        struct {
		InFlight *int64 `json:"in_flight"`
	} `json:"load"`
	SentAt *string `json:"sent_at"`
}

// reasonOf maps the name of a field to the reason with which a value of the wrong type is rejected. For a field that is not
// in the map, the reason is ReasonMalformed.
var reasonOf = map[string]Reason{
	"v": ReasonVersion, "service": ReasonService, "id": ReasonMeta, "addr": ReasonAddress, "incarnation": ReasonIncarnation,
	"seq": ReasonSeq, "interval_ms": ReasonInterval, "ttl_ms": ReasonInterval, "weight": ReasonWeight,
	"zone": ReasonMeta, "version": ReasonMeta, "tags": ReasonMeta, "meta": ReasonMeta, "load": ReasonMeta,
}

// decodeStrict decodes any JSON heartbeat. Its error describes what is wrong. The JSON library rejects duplicate names and
// invalid UTF-8.
func decodeStrict(body []byte) (Heartbeat, error) {
	h := Heartbeat{Type: KindHeartbeat, Weight: DefaultWeight}
	var in wire
	if err := json.Unmarshal(body, &in); err != nil {
		return Heartbeat{}, unreadable(body, err)
	}
	set(&h.V, in.V)
	set(&h.Type, in.Type)
	set(&h.Service, in.Service)
	set(&h.ID, in.ID)
	set(&h.Addr, in.Addr)
	set(&h.Incarnation, in.Incarnation)
	set(&h.Seq, in.Seq)
	set(&h.IntervalMS, in.IntervalMS)
	set(&h.TTLMS, in.TTLMS)
	set(&h.Weight, in.Weight)
	set(&h.Zone, in.Zone)
	set(&h.Version, in.Version)
	if len(in.Tags) > 0 {
		h.Tags = in.Tags
	}
	h.Meta = NewMeta(in.Meta)
	if n := in.Load.InFlight; n != nil {
		h.Load = &Load{*n}
	}
	if s := in.SentAt; s != nil && *s != "" && !parseTime(*s, &h.SentAt) {
		return Heartbeat{}, Invalid(ReasonMalformed, "sent_at %.40q, want RFC 3339", *s)
	}
	return h, nil
}

func set[T any](to, from *T) {
	if from != nil {
		*to = *from
	}
}

// unreadable returns the reason why body cannot be decoded: the syntax error if body has one, otherwise the field whose
// value has the wrong type. The parameter err is the error of the JSON library.
func unreadable(body []byte, err error) error {
	if wrong := (*json.SemanticError)(nil); errors.As(err, &wrong) && jsontext.Value(body).IsValid() {
		field, _, _ := strings.Cut(strings.TrimPrefix(string(wrong.JSONPointer), "/"), "/")
		value := wrong.JSONValue
		members(body, func(name string, v jsontext.Value) {
			if name == field && value == nil { // the JSON library omits a long value from its error
				value = v.Clone()
			}
		})
		if r, ok := reasonOf[field]; ok {
			return Invalid(r, "%s is %.32s", field, value)
		}
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return Invalid(ReasonMalformed, "%.200v", err)
}

func parseTime(s string, to *time.Time) bool {
	t, err := time.Parse(time.RFC3339, s)
	_, offset := t.Zone()
	if err != nil || offset/(24*60*60) != 0 { // Parse accepts +24:00, but MarshalJSON of time.Time rejects that offset
		return false
	}
	*to = t
	return true
}
