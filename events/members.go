package events

import (
	"bytes"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// maxUnknown is the maximum number of unknown field names that DecodeFields returns.
const maxUnknown = 8

// fields are the names of a heartbeat's fields.
var fields = []string{"v", "type", "service", "id", "addr", "incarnation", "seq", "interval_ms", "ttl_ms", "weight", "zone", "version",
	"tags", "meta", "load", "sent_at"}

// unknownFields returns the names of the fields of body that a Heartbeat does not have. A field "leave" that is neither
// false nor null is an error: the sender wants to leave, but a heartbeat would renew its lease.
func unknownFields(body []byte) (unknown []string, err error) {
	members(body, func(name string, value jsontext.Value) {
		switch {
		case slices.Contains(fields, name):
		case name == "leave" && !slices.Contains([]string{"false", "null"}, string(value)):
			err = Invalid(ReasonMalformed, `leave is %.32s, but there is no such field: a leave has "type":"leave"`, value)
		case len(unknown) < maxUnknown:
			unknown = append(unknown, name)
		}
	})
	return unknown, err
}

// Sender returns the sender that a body states, as far as the body can be parsed. It is for log messages about bodies that
// DecodeHeartbeat rejects: it does not validate the values, and truncates each value to MaxID bytes.
func Sender(body []byte) (service, id, addr string) {
	body = body[:min(len(body), MaxBody)]
	text := strings.Trim(string(body), space)
	if !strings.HasPrefix(text, "{") {
		if _, err := ParseAddr(text); err == nil {
			return DefaultService, text, text
		}
		return "", "", ""
	}
	members(body, func(name string, value jsontext.Value) {
		to := map[string]*string{"service": &service, "id": &id, "addr": &addr}[name]
		if to == nil || value.Kind() != '"' || *to != "" {
			return
		}
		if s, err := jsontext.AppendUnquote(nil, value); err == nil {
			*to = strings.ToValidUTF8(string(s[:min(len(s), MaxID)]), "")
		}
	})
	return service, id, addr
}

// members calls f for each member of the JSON object body, up to the first syntax error.
func members(body []byte, f func(name string, value jsontext.Value)) {
	d := jsontext.NewDecoder(bytes.NewReader(body), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	if t, err := d.ReadToken(); err != nil || t.Kind() != '{' {
		return
	}
	for d.PeekKind() == '"' {
		t, err := d.ReadToken()
		if err != nil {
			return
		}
		name := t.String()
		value, err := d.ReadValue()
		if err != nil {
			return
		}
		f(name, value)
	}
}
