package apiserver

import (
	"encoding/json"
	"strconv"
	"time"

	"rollcall/events"
	"rollcall/services/registry"
)

// appendList appends what encoding/json makes of a ServerList, but in one pass and one buffer: a list of
// 10 000 servers takes a sixth of the time (BenchmarkEncode), and everyone who polls pays it with
// each change.
func appendList(b []byte, list *registry.Snapshot) []byte {
	const usual = 512 // bytes of a server
	if b == nil {
		b = make([]byte, 0, usual*(1+len(list.Servers)))
	}
	b = strconv.AppendUint(append(b, `{"revision":`...), list.Revision, 10)
	b = appendString(append(b, `,"mode":`...), string(list.Mode))
	b = append(b, `,"servers":[`...)
	for i, s := range list.Servers {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendServer(b, s)
	}
	return append(b, "]}\n"...)
}

func appendServer(b []byte, s *events.Server) []byte {
	b = appendString(append(b, `{"service":`...), s.Service)
	b = appendString(append(b, `,"id":`...), s.ID)
	b = appendString(append(b, `,"addr":`...), s.Addr)
	b = appendString(append(b, `,"state":`...), string(s.State))
	b = strconv.AppendInt(append(b, `,"incarnation":`...), s.Incarnation, 10)
	b = strconv.AppendUint(append(b, `,"seq":`...), s.Seq, 10)
	b = strconv.AppendInt(append(b, `,"interval_ms":`...), s.IntervalMS, 10)
	b = strconv.AppendInt(append(b, `,"ttl_ms":`...), s.TTLMS, 10)
	b = strconv.AppendInt(append(b, `,"weight":`...), int64(s.Weight), 10)
	b = appendString(append(b, `,"zone":`...), s.Zone)
	b = appendString(append(b, `,"version":`...), s.Version)
	b = appendTags(append(b, `,"tags":`...), s.Tags)
	b = appendMeta(append(b, `,"meta":`...), s.Meta)
	if s.Load != nil {
		b = strconv.AppendInt(append(b, `,"load":{"in_flight":`...), s.Load.InFlight, 10)
		b = append(b, '}')
	}
	b = appendTime(append(b, `,"registered_at":`...), s.RegisteredAt)
	b = appendTime(append(b, `,"last_seen":`...), s.LastSeen)
	b = strconv.AppendInt(append(b, `,"age_ms":`...), s.AgeMS, 10)
	b = appendString(append(b, `,"via":`...), s.Via)
	return append(b, '}')
}

func appendTags(b []byte, tags []string) []byte {
	b = append(b, '[')
	for i, tag := range tags {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendString(b, tag)
	}
	return append(b, ']')
}

func appendMeta(b []byte, meta events.Meta) []byte {
	b = append(b, '{')
	for i, e := range meta {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendString(append(appendString(b, e.Key), ':'), e.Value)
	}
	return append(b, '}')
}

func appendTime(b []byte, t time.Time) []byte {
	return append(t.AppendFormat(append(b, '"'), time.RFC3339Nano), '"')
}

func appendString(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= 0x7f || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			quoted, _ := json.Marshal(s) // no string fails
			return append(b, quoted...)
		}
	}
	return append(append(append(b, '"'), s...), '"')
}
