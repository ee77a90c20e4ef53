package apiserver

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
	"time"

	"rollcall/events"
)

// serverField is one member of the JSON object of a server.
type serverField struct {
	name   string
	append func(b []byte, s *events.Server) []byte // appends the value
	vital  bool                                    // each heartbeat renews the value: see registry.Vitals
	absent func(s *events.Server) bool             // reports whether the object lacks the member; nil if it never does
}

// serverFields returns the members of the JSON object of a server, in the order of the fields of events.Server. encoding/json encodes a
// server to the same text (FuzzAppendServer holds both to it), but takes eight times as long: see BenchmarkAppendServers.
func serverFields() []serverField {
	return []serverField{
		{"service", func(b []byte, s *events.Server) []byte { return appendString(b, s.Service) }, false, nil},
		{"id", func(b []byte, s *events.Server) []byte { return appendString(b, s.ID) }, false, nil},
		{"addr", func(b []byte, s *events.Server) []byte { return appendString(b, s.Addr) }, false, nil},
		{"state", func(b []byte, s *events.Server) []byte { return appendString(b, string(s.State)) }, false, nil},
		{"incarnation", func(b []byte, s *events.Server) []byte { return strconv.AppendInt(b, s.Incarnation, 10) }, false, nil},
		{"seq", func(b []byte, s *events.Server) []byte { return strconv.AppendUint(b, s.Seq, 10) }, true, nil},
		{"interval_ms", func(b []byte, s *events.Server) []byte { return strconv.AppendInt(b, s.IntervalMS, 10) }, false, nil},
		{"ttl_ms", func(b []byte, s *events.Server) []byte { return strconv.AppendInt(b, s.TTLMS, 10) }, false, nil},
		{"weight", func(b []byte, s *events.Server) []byte { return strconv.AppendInt(b, int64(s.Weight), 10) }, false, nil},
		{"zone", func(b []byte, s *events.Server) []byte { return appendString(b, s.Zone) }, false, nil},
		{"version", func(b []byte, s *events.Server) []byte { return appendString(b, s.Version) }, false, nil},
		{"tags", func(b []byte, s *events.Server) []byte { return appendStrings(b, s.Tags) }, false, nil},
		{"meta", func(b []byte, s *events.Server) []byte { return appendMeta(b, s.Meta) }, false, nil},
		{
			"load", func(b []byte, s *events.Server) []byte {
				return append(strconv.AppendInt(append(b, `{"in_flight":`...), s.Load.InFlight, 10), '}')
			},
			true, func(s *events.Server) bool { return s.Load == nil },
		},
		{"registered_at", func(b []byte, s *events.Server) []byte { return appendTime(b, s.RegisteredAt) }, false, nil},
		{"last_seen", func(b []byte, s *events.Server) []byte { return appendTime(b, s.LastSeen) }, true, nil},
		{
			"last_probe", func(b []byte, s *events.Server) []byte { return appendTime(b, s.LastProbe) },
			true, func(s *events.Server) bool { return s.LastProbe.IsZero() },
		},
		{"age_ms", func(b []byte, s *events.Server) []byte { return strconv.AppendInt(b, s.AgeMS, 10) }, true, nil},
		{"via", func(b []byte, s *events.Server) []byte { return appendString(b, s.Via) }, true, nil},
	}
}

// serverEncoder appends servers as JSON objects that have some of the members. It is immutable.
type serverEncoder struct {
	runs   []run
	vital  bool // one of the members is vital
	stable int  // number of runs that are not vital
}

// run is a sequence of members, either all vital or none.
type run struct {
	fields []serverField
	keys   []string // for each of fields: its name in quotes, with the comma before and the colon after it
	vital  bool
}

// newServerEncoder returns an encoder of the members in names, or of all members if names is empty.
func newServerEncoder(names []string) *serverEncoder {
	e := new(serverEncoder)
	for _, f := range serverFields() {
		if len(names) > 0 && !slices.Contains(names, f.name) {
			continue
		}
		if n := len(e.runs); n == 0 || e.runs[n-1].vital != f.vital {
			e.runs = append(e.runs, run{vital: f.vital})
			if f.vital {
				e.vital = true
			} else {
				e.stable++
			}
		}
		last := &e.runs[len(e.runs)-1]
		last.fields, last.keys = append(last.fields, f), append(last.keys, `,"`+f.name+`":`)
	}
	return e
}

// append appends s to b.
func (e *serverEncoder) append(b []byte, s *events.Server) []byte {
	begin := len(b)
	for i := range e.runs {
		b = e.runs[i].append(b, s)
	}
	return closeObject(b, begin)
}

// closeObject completes an object without members that begins at the index begin, or whose first member begins there with a comma.
func closeObject(b []byte, begin int) []byte {
	if len(b) == begin {
		return append(b, "{}"...)
	}
	b[begin] = '{'
	return append(b, '}')
}

// append appends the members of s, each with a comma before it.
func (r *run) append(b []byte, s *events.Server) []byte {
	for i := range r.fields {
		f := &r.fields[i]
		if f.absent == nil || !f.absent(s) {
			b = f.append(append(b, r.keys[i]...), s)
		}
	}
	return b
}

// plain has true for each character that encoding/json copies into a string without an escape.
var plain = func() (is [256]bool) {
	for c := ' '; c < 0x80; c++ {
		is[c] = c != '"' && c != '\\' && c != '<' && c != '>' && c != '&'
	}
	return is
}()

func appendString[T string | []byte](b []byte, s T) []byte {
	for i := range len(s) {
		if !plain[s[i]] {
			quoted, _ := json.Marshal(string(s)) // a string has no error
			return append(b, quoted...)
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}

func appendStrings(b []byte, list []string) []byte {
	if list == nil {
		return append(b, "null"...)
	}
	b = append(b, '[')
	for i, s := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendString(b, s)
	}
	return append(b, ']')
}

func appendMeta(b []byte, m events.Meta) []byte {
	b = append(b, '{')
	for i, e := range m { // sorted by key, without duplicates, as encoding/json sorts a map
		if i > 0 {
			b = append(b, ',')
		}
		b = append(appendString(b, e.Key), ':')
		b = appendString(b, e.Value)
	}
	return append(b, '}')
}

// appendTime appends a time of the years 0 to 9999. The registry has times in UTC and in milliseconds. For such times appendTime takes a
// third of the time of Time.AppendFormat, which is a quarter of the cost of a server.
func appendTime(b []byte, t time.Time) []byte {
	year, month, day := t.Date()
	nanos := t.Nanosecond()
	if t.Location() != time.UTC || nanos%int(time.Millisecond) != 0 || year < 1000 || year > 9999 {
		return append(t.AppendFormat(append(b, '"'), time.RFC3339Nano), '"')
	}
	hour, minute, second := t.Clock()
	b = append(b, '"')
	b = appendTwo(appendTwo(b, year/100), year%100)
	b = appendTwo(append(b, '-'), int(month))
	b = appendTwo(append(b, '-'), day)
	b = appendTwo(append(b, 'T'), hour)
	b = appendTwo(append(b, ':'), minute)
	b = appendTwo(append(b, ':'), second)
	if millis := nanos / int(time.Millisecond); millis > 0 {
		b = append(b, '.', byte('0'+millis/100), byte('0'+millis/10%10), byte('0'+millis%10))
		b = bytes.TrimRight(b, "0")
	}
	return append(b, 'Z', '"')
}

// appendTwo appends n, which is below 100, as two digits.
func appendTwo(b []byte, n int) []byte { return append(b, byte('0'+n/10), byte('0'+n%10)) }
