package apiserver

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"rollcall/events"
	"rollcall/services/registry"
)

// anyText draws strings with every kind of character that encoding/json escapes, and strings that are not UTF-8.
func anyText() *rapid.Generator[string] {
	bytes := rapid.Map(rapid.SliceOfN(rapid.Byte(), 0, 12), func(b []byte) string { return string(b) })
	special := rapid.SampledFrom([]string{"", "a", "<", ">", "&", "\"", "\\", "\x7f", "\u2028", "\u2029", "/", "\x00\x1f\x7f", "\b\f\n\r\t", "ä\xff€", "\xed\xa0\x80", "😀"})
	return rapid.OneOf(rapid.String(), bytes, special)
}

// anyTime draws times that have between none and nine digits of a second, mostly in UTC.
func anyTime() *rapid.Generator[time.Time] {
	return rapid.Custom(func(t *rapid.T) time.Time {
		if rapid.IntRange(0, 9).Draw(t, "zero") == 0 {
			return time.Time{}
		}
		at := time.Unix(rapid.Int64Range(-62167219200, 253402300799).Draw(t, "seconds"), 0)
		unit := rapid.SampledFrom([]time.Duration{1, time.Microsecond, time.Millisecond, 10 * time.Millisecond, 100 * time.Millisecond, time.Second}).Draw(t, "unit")
		at = at.Add(rapid.Custom(func(t *rapid.T) time.Duration {
			return unit * time.Duration(rapid.Int64Range(0, int64(time.Second/unit)-1).Draw(t, "units"))
		}).Draw(t, "part of a second"))
		return at.In(rapid.SampledFrom([]*time.Location{time.UTC, time.UTC, time.UTC, time.FixedZone("", 3600), time.FixedZone("", 0)}).Draw(t, "zone"))
	})
}

func anyServer() *rapid.Generator[*events.Server] {
	return rapid.Custom(func(t *rapid.T) *events.Server {
		text := func(name string) string { return anyText().Draw(t, name) }
		s := &events.Server{
			Service: text("service"), ID: text("id"), Addr: text("addr"), State: events.State(text("state")),
			Incarnation: rapid.Int64().Draw(t, "incarnation"), Seq: rapid.Uint64().Draw(t, "seq"),
			IntervalMS: rapid.Int64().Draw(t, "interval"), TTLMS: rapid.Int64().Draw(t, "ttl"), Weight: rapid.Int().Draw(t, "weight"),
			Zone: text("zone"), Version: text("version"), Tags: rapid.SliceOfN(anyText(), -1, 3).Draw(t, "tags"),
			Meta:         events.NewMeta(rapid.MapOfN(anyText(), anyText(), -1, 4).Draw(t, "meta")),
			RegisteredAt: anyTime().Draw(t, "registered"), LastSeen: anyTime().Draw(t, "last seen"), LastProbe: anyTime().Draw(t, "last probe"),
			AgeMS: rapid.Int64().Draw(t, "age"), Via: text("via"),
		}
		if rapid.Bool().Draw(t, "no tags") {
			s.Tags = nil
		}
		if rapid.Bool().Draw(t, "load") {
			s.Load = &events.Load{InFlight: rapid.Int64().Draw(t, "in flight")}
		}
		return s
	})
}

func TestServerIsEncodedAsByEncodingJSON(t *testing.T) {
	rapid.Check(t, sameAsEncodingJSON)
}

func FuzzServerIsEncodedAsByEncodingJSON(f *testing.F) {
	f.Add("data", "10.0.0.7:8080", int64(1763812345678000000), int64(5000))
	f.Add("<b>&\u2028\"\\\x00", "\xff\xed\xa0\x80", int64(-1), int64(-1))
	f.Fuzz(func(t *testing.T, a, b string, nanos, n int64) {
		at := time.Unix(0, nanos).UTC()
		s := &events.Server{
			Service: a, ID: b, Addr: a, State: events.State(b), Incarnation: n, Seq: uint64(n), IntervalMS: n, TTLMS: n, Weight: int(n), Zone: a, Version: b,
			Tags: []string{a, b}, Meta: events.NewMeta(map[string]string{a: b, b: a}), Load: &events.Load{InFlight: n},
			RegisteredAt: at, LastSeen: at.Truncate(time.Millisecond), LastProbe: at.Truncate(100 * time.Millisecond), AgeMS: n, Via: a,
		}
		want, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		if got := newServerEncoder(nil).append(nil, s); string(got) != string(want) {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	})
}

func sameAsEncodingJSON(t *rapid.T) {
	s := anyServer().Draw(t, "server")
	want, err := json.Marshal(s)
	if err != nil {
		t.Skip(err) // a zone that is west of the year 0
	}
	e := newServerEncoder(nil)
	if got := e.append([]byte("before"), s); string(got) != "before"+string(want) {
		t.Fatalf("got  %s\nwant before%s", got, want)
	}

	// The text of a block holds what is not vital, also when the server has other vitals by now.
	old := *s
	registry.Vitals{Seq: 1, Load: &events.Load{InFlight: 1}, LastProbe: time.UnixMilli(1).UTC()}.Apply(&old)
	block := &registry.Block{Servers: []*events.Server{{ID: "other"}, &old, {ID: "another"}}}
	if got := e.appendVitals(nil, e.newBlockText(block), 1, s); string(got) != string(want) {
		t.Fatalf("with the text of a block\ngot  %s\nwant %s", got, want)
	}
	sameFields(t, s, want)
}

// sameFields compares the encoding of some members of a server with whole, which has all members.
func sameFields(t *rapid.T, s *events.Server, whole []byte) {
	var names []string
	for _, f := range serverFields() {
		names = append(names, f.name)
	}
	names = rapid.SliceOfNDistinct(rapid.SampledFrom(names), 1, -1, rapid.ID[string]).Draw(t, "fields")
	var got, want map[string]json.RawMessage
	if err := json.Unmarshal(whole, &want); err != nil {
		t.Fatal(err)
	}
	text := newServerEncoder(names).append(nil, s)
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	for name, value := range want {
		switch {
		case slices.Contains(names, name) && !bytes.Equal(got[name], value):
			t.Fatalf("fields %v: %s is %s, want %s", names, name, got[name], value)
		case !slices.Contains(names, name) && got[name] != nil:
			t.Fatalf("fields %v: got %s", names, name)
		}
	}
}

// target is the target group of a server as encoding/json encodes it.
type target struct {
	Targets []string          `json:"targets"`
	Labels  map[string]string `json:"labels"`
}

func targetOf(s *events.Server) target {
	labels := make(map[string]string)
	add := func(name, value string) {
		if _, taken := labels[metaLabel+name]; value != "" && !taken {
			labels[metaLabel+name] = value
		}
	}
	add("service", s.Service)
	add("id", s.ID)
	add("state", string(s.State))
	add("zone", s.Zone)
	add("version", s.Version)
	add("weight", strconv.Itoa(s.Weight))
	if len(s.Tags) > 0 {
		add("tags", ","+strings.Join(s.Tags, ",")+",")
	}
	for _, e := range s.Meta {
		add("meta_"+labelName(e.Key), e.Value)
	}
	return target{[]string{s.Addr}, labels}
}

func TestTargetIsEncodedAsByEncodingJSON(t *testing.T) {
	var e targetEncoder
	rapid.Check(t, func(t *rapid.T) {
		s := anyServer().Draw(t, "server")
		want, err := json.Marshal(targetOf(s))
		if err != nil {
			t.Fatal(err)
		}
		if got := e.append([]byte("before"), s); string(got) != "before"+string(want) {
			t.Fatalf("got  %s\nwant before%s", got, want)
		}
	})
}
