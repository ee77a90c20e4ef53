package events

import (
	"bytes"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// maxUnknown is how many unknown fields of one heartbeat are named.
const maxUnknown = 8

// fields are those of a heartbeat.
var fields = []string{"v", "type", "service", "id", "addr", "incarnation", "seq", "interval_ms", "ttl_ms", "weight", "zone", "version",
	"tags", "meta", "load", "sent_at"}

// unknownFields names the fields of an object that a heartbeat does not have, the first few of them. A field leave that is
// set is an error: its sender means a leave, and to take it for a heartbeat would be the opposite.
func unknownFields(body []byte) (unknown []string, err error) {
	members(body, func(name string, value jsontext.Value) {
		switch {
		case slices.Contains(fields, name):
		case name == "leave" && !slices.Contains([]string{"false", "null"}, string(value)):
			err = Invalid(ReasonMalformed, `leave is %.32s, and there is no such field: a leave has "type":"leave"`, value)
		case len(unknown) < maxUnknown:
			unknown = append(unknown, name)
		}
	})
	return unknown, err
}

// Sender reads what a body says of its sender, as far as it can be read. It is for a log of what DecodeHeartbeat refuses:
// the values are not checked, and each is cut to MaxID bytes.
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

// members calls f for each member of an object, until something cannot be read.
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
