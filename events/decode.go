package events

import (
	"bytes"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// DecodeHeartbeat reads a JSON heartbeat or a bare address and fills in what the format gives by
// default: type, id, weight, and the service of a bare address. Unknown fields are ignored, null is
// as good as absent. It checks syntax and types only; Validate checks the values. The error is an
// *InvalidError. The result shares no memory with body.
func DecodeHeartbeat(body []byte) (Heartbeat, error) {
	if len(body) > MaxBody {
		return Heartbeat{}, Invalid(ReasonTooLarge, "body of %d bytes, want at most %d", len(body), MaxBody)
	}
	if first := bytes.TrimLeft(body, " \t\r\n"); len(first) == 0 || first[0] != '{' {
		return decodeBare(body)
	}
	text := string(body)
	h := Heartbeat{Type: KindHeartbeat, Weight: DefaultWeight}
	if p := (plain{text: text}); !p.heartbeat(&h) {
		d := decoders.Get().(*decoder)
		defer decoders.Put(d)
		var err error
		if h, err = d.decode(body, text); err != nil {
			return Heartbeat{}, err
		}
	}
	if h.ID == "" {
		h.ID = h.Addr
	}
	return h, nil
}

// decodeBare reads a body such as 10.0.0.7:8080, with or without a line end. Whether a name in
// place of the IP is allowed is for the caller.
func decodeBare(body []byte) (Heartbeat, error) {
	text := strings.TrimSpace(string(body))
	switch {
	case text == "" || len(text) > MaxID || jsontext.Value(text).IsValid():
		return Heartbeat{}, Invalid(ReasonMalformed, "%.32q is neither a JSON object nor an address", text)
	case !printable(text):
		return Heartbeat{}, Invalid(ReasonMalformed, "%d bytes that are neither JSON nor text", len(body))
	}
	return Heartbeat{V: 1, Type: KindHeartbeat, Service: DefaultService, ID: text, Addr: text, Weight: DefaultWeight}, nil
}

// decoder is strict and knows what is wrong. It reads tokens, because that allocates nothing where decoding into a struct allocates for
// each field (BenchmarkDecodeHeartbeat), and because it can name the field that is wrong.
type decoder struct {
	in   bytes.Buffer
	json *jsontext.Decoder
	text string // the whole body: the strings of a heartbeat are parts of it
}

var decoders = sync.Pool{New: func() any { return &decoder{json: jsontext.NewDecoder(&bytes.Buffer{})} }}

// decode reads body, of which text is a copy.
func (d *decoder) decode(body []byte, text string) (Heartbeat, error) {
	d.in = *bytes.NewBuffer(body)
	d.json.Reset(&d.in)
	d.text = text
	defer func() { d.in, d.text = bytes.Buffer{}, "" }()

	h := Heartbeat{Type: KindHeartbeat, Weight: DefaultWeight}
	if err := d.object(func(name string) error { return d.field(&h, name) }); err != nil {
		return Heartbeat{}, err
	}
	if _, err := d.json.ReadToken(); err != io.EOF {
		return Heartbeat{}, Invalid(ReasonMalformed, "more than one JSON value")
	}
	return h, nil
}

// object reads one object and calls field for each name; field reads the value.
func (d *decoder) object(field func(name string) error) error {
	if _, err := d.json.ReadToken(); err != nil {
		return malformed(err)
	}
	for d.json.PeekKind() != '}' {
		var name string
		if err := d.string(&name, ReasonMalformed, "name"); err != nil {
			return err
		}
		if err := field(name); err != nil {
			return err
		}
	}
	_, err := d.json.ReadToken()
	return malformed(err)
}

func (d *decoder) field(h *Heartbeat, name string) error {
	switch name {
	case "v":
		return integer(d, &h.V, ReasonVersion, name)
	case "type":
		return d.string((*string)(&h.Type), ReasonMalformed, name)
	case "service":
		return d.string(&h.Service, ReasonService, name)
	case "id":
		return d.string(&h.ID, ReasonMeta, name)
	case "addr":
		return d.string(&h.Addr, ReasonAddress, name)
	case "incarnation":
		return integer(d, &h.Incarnation, ReasonIncarnation, name)
	case "seq":
		return d.natural(&h.Seq, ReasonSeq, name)
	case "interval_ms":
		return integer(d, &h.IntervalMS, ReasonInterval, name)
	case "ttl_ms":
		return integer(d, &h.TTLMS, ReasonInterval, name)
	case "weight":
		return integer(d, &h.Weight, ReasonWeight, name)
	case "zone":
		return d.string(&h.Zone, ReasonMeta, name)
	case "version":
		return d.string(&h.Version, ReasonMeta, name)
	case "tags":
		return d.tags(&h.Tags)
	case "meta":
		return d.meta(&h.Meta)
	case "load":
		return d.load(&h.Load)
	case "sent_at":
		return d.time(&h.SentAt, name)
	}
	return malformed(d.json.SkipValue())
}

func (d *decoder) tags(to *[]string) error {
	switch d.json.PeekKind() {
	case '[':
	case 'n':
		return malformed(d.json.SkipValue())
	default:
		return d.wrongType(ReasonMeta, "tags", "an array")
	}
	if _, err := d.json.ReadToken(); err != nil {
		return malformed(err)
	}
	for d.json.PeekKind() != ']' {
		var tag string
		if err := d.string(&tag, ReasonMeta, "tags"); err != nil {
			return err
		}
		*to = append(*to, tag)
	}
	_, err := d.json.ReadToken()
	return malformed(err)
}

func (d *decoder) meta(to *Meta) error {
	err := d.optionalObject("meta", func(key string) error {
		e := MetaEntry{Key: key}
		err := d.string(&e.Value, ReasonMeta, "meta")
		*to = append(*to, e)
		return err
	})
	to.sort()
	return err
}

func (d *decoder) load(to **Load) error {
	return d.optionalObject("load", func(name string) error {
		if *to == nil {
			*to = new(Load)
		}
		if name == "in_flight" {
			return integer(d, &(*to).InFlight, ReasonMeta, "load.in_flight")
		}
		return malformed(d.json.SkipValue())
	})
}

func (d *decoder) optionalObject(name string, field func(string) error) error {
	switch d.json.PeekKind() {
	case '{':
		return d.object(field)
	case 'n':
		return malformed(d.json.SkipValue())
	}
	return d.wrongType(ReasonMeta, name, "an object")
}

func (d *decoder) time(to *time.Time, name string) error {
	var s string
	if err := d.string(&s, ReasonMalformed, name); err != nil || s == "" {
		return err
	}
	if !parseTime(s, to) {
		return Invalid(ReasonMalformed, "%s %.40q, want RFC 3339", name, s)
	}
	return nil
}

func parseTime(s string, to *time.Time) bool {
	t, err := time.Parse(time.RFC3339, s)
	_, offset := t.Zone()
	if err != nil || offset/(24*60*60) != 0 { // Parse takes +24:00, which nobody can write again
		return false
	}
	*to = t
	return true
}

// string reads a JSON string. Without escapes, which is nearly always, it is a part of d.text.
func (d *decoder) string(to *string, r Reason, name string) error {
	raw, err := d.scalar('"', r, name, "a string")
	if err != nil || raw == nil {
		return err
	}
	if bytes.IndexByte(raw, '\\') < 0 {
		end := int(d.json.InputOffset())
		*to = d.text[end-len(raw)+1 : end-1]
		return nil
	}
	unquoted, err := jsontext.AppendUnquote(nil, raw)
	*to = string(unquoted)
	return malformed(err)
}

func integer[T int | int64](d *decoder, to *T, r Reason, name string) error {
	raw, err := d.scalar('0', r, name, "a number")
	if err != nil || raw == nil {
		return err
	}
	n, err := strconv.ParseInt(string(raw), 10, 64)
	if err != nil || int64(T(n)) != n {
		return Invalid(r, "%s %.32s, want an integer in range", name, raw)
	}
	*to = T(n)
	return nil
}

func (d *decoder) natural(to *uint64, r Reason, name string) error {
	raw, err := d.scalar('0', r, name, "a number")
	if err != nil || raw == nil {
		return err
	}
	n, err := strconv.ParseUint(string(raw), 10, 64)
	if err != nil {
		return Invalid(r, "%s %.32s, want a natural number of 64 bits", name, raw)
	}
	*to = n
	return nil
}

// scalar reads a value of the given kind; for null it returns nil. The value is good until the next read.
func (d *decoder) scalar(kind jsontext.Kind, r Reason, name, want string) (jsontext.Value, error) {
	raw, err := d.json.ReadValue()
	switch {
	case err != nil:
		return nil, malformed(err)
	case raw.Kind() == 'n':
		return nil, nil
	case raw.Kind() != kind:
		return nil, Invalid(r, "%s is %.32s, want %s", name, raw, want)
	}
	return raw, nil
}

func (d *decoder) wrongType(r Reason, name, want string) error {
	raw, err := d.json.ReadValue() // a syntax error is told before a type error
	if err != nil {
		return malformed(err)
	}
	return Invalid(r, "%s is %.32s, want %s", name, raw, want)
}

func malformed(err error) error {
	switch err {
	case nil:
		return nil
	case io.EOF:
		err = io.ErrUnexpectedEOF
	}
	return Invalid(ReasonMalformed, "%.200v", err) // it may quote a name as long as the body
}
