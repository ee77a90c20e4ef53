package events_test

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"rollcall/events"
)

// lifecycle maps each type of a server event to its Go type.
var lifecycle = map[events.Type]events.Event{
	events.TypeRegistered: events.ServerRegistered{},
	events.TypeUpdated:    events.ServerUpdated{},
	events.TypeSuspected:  events.ServerSuspected{},
	events.TypeRecovered:  events.ServerRecovered{},
	events.TypeExpired:    events.ServerExpired{},
	events.TypeLeft:       events.ServerLeft{},
	events.TypeReplaced:   events.ServerReplaced{},
}

func TestNewReturnsEachType(t *testing.T) {
	for typ, want := range lifecycle {
		e, ok := events.New(typ, transition)
		if !ok {
			t.Errorf("%s is not known", typ)
			continue
		}
		if reflect.TypeOf(e) != reflect.TypeOf(want) || e.Type() != typ {
			t.Errorf("%s: %T of type %s", typ, e, e.Type())
		}
		if !reflect.DeepEqual(e.Details(), transition) {
			t.Errorf("%s: details %+v", typ, e.Details())
		}
	}
}

func TestUnknownType(t *testing.T) {
	for _, typ := range []events.Type{"", "rollcall.server.", "rollcall.server.Expired", "expired", "com.example.other"} {
		if e, ok := events.New(typ, transition); ok || e != nil {
			t.Errorf("%q: %v, %v", typ, e, ok)
		}
	}
	for _, body := range []string{
		`{"specversion":"1.0","id":"1","source":"/x","type":"rollcall.server.moved","data":{"server":{"service":"data","id":"a"}}}`,
		`{"specversion":"1.0","id":"1","source":"/x","type":"com.example.other","data":"text"}`,
		`{"specversion":"1.0","id":"1","source":"/x","type":"com.example.other","data":{"server":1}}`,
		`{"specversion":"1.0","id":"1","source":"/x","type":"com.example.other"}`,
	} {
		e, err := events.Decode([]byte(body))
		if !errors.Is(err, events.ErrUnknownType) || errors.Is(err, events.ErrInvalid) || e != nil {
			t.Errorf("%s: %v, %v", body, e, err)
		}
	}
}

var badEvents = []struct {
	name, body string
	reason     events.Reason
}{
	{"empty", ``, events.ReasonMalformed},
	{"null", `null`, events.ReasonVersion},
	{"array", `[]`, events.ReasonMalformed},
	{"truncated", `{"specversion":"1.0"`, events.ReasonMalformed},
	{"a heartbeat", `{"v":1,"type":"heartbeat","service":"data","addr":"10.0.0.7:8080"}`, events.ReasonVersion},
	{"newer specversion", event(`"specversion":"2.0"`), events.ReasonVersion},
	{"no id", event(`"id":""`), events.ReasonMalformed},
	{"no source", event(`"source":""`), events.ReasonMalformed},
	{"time is not a time", event(`"time":"now"`), events.ReasonMalformed},
	{"no data", event(`"data":null`), events.ReasonMalformed},
	{"data is a string", event(`"data":"text"`), events.ReasonMalformed},
	{"server without id", event(`"data":{"server":{"service":"data"}}`), events.ReasonMalformed},
	{"server without service", event(`"data":{"server":{"id":"a"}}`), events.ReasonMalformed},
	{"weight is a string", event(`"data":{"server":{"service":"data","id":"a","weight":"1"}}`), events.ReasonMalformed},
	{"negative revision", event(`"data":{"server":{"service":"data","id":"a"},"revision":-1}`), events.ReasonMalformed},
	{"meta is an array", event(`"data":{"server":{"service":"data","id":"a","meta":["x"]}}`), events.ReasonMalformed},
}

// event returns the smallest event that Decode accepts, with additional fields at its end: those in the text last. An
// additional field overrides an earlier field of the same name.
func event(last string) string {
	return `{"specversion":"1.0","id":"1","source":"/rollcall/apiserver/api-1","type":"rollcall.server.left",` +
		`"data":{"server":{"service":"data","id":"a"}},` + last + `}`
}

func TestDecodeRejects(t *testing.T) {
	for _, tt := range badEvents {
		t.Run(tt.name, func(t *testing.T) {
			e, err := events.Decode([]byte(tt.body))
			if err == nil || e != nil {
				t.Fatalf("accepted as %+v, error %v", e, err)
			}
			if got := mustInvalid(t, err); got.Reason != tt.reason || len(got.Detail) > 1000 {
				t.Errorf("reason %s, want %s (%v)", got.Reason, tt.reason, err)
			}
		})
	}
}

func TestDecodeIgnoresUnknownFields(t *testing.T) {
	e, err := events.Decode([]byte(event(`"unknown":{"x":[1]},"subject":"whatever"`)))
	if err != nil {
		t.Fatal(err)
	}
	want := events.ServerLeft{Transition: events.Transition{
		ID: "1", Server: events.Server{Service: "data", ID: "a"}, Observer: "api-1", // taken from the field source
	}}
	if !reflect.DeepEqual(e, want) {
		t.Errorf("got  %+v\nwant %+v", e, want)
	}
}

func TestEventID(t *testing.T) {
	id := events.EventID(events.TypeExpired, "data", "9f0c2c5e", 1763812345678, 42, 0)
	// This id must never change: API servers of different versions must agree on it.
	if want := "b03947a2bba1d32d4d560ee1d3767145"; id != want {
		t.Errorf("got %s, want %s", id, want)
	}
	if again := events.EventID(events.TypeExpired, "data", "9f0c2c5e", 1763812345678, 42, 0); again != id {
		t.Errorf("first %s, then %s", id, again)
	}
}

func TestEventIDDependsOnEachArgument(t *testing.T) {
	seen := []string{}
	for name, id := range map[string]string{
		"base":                 events.EventID(events.TypeExpired, "data", "ab", 12, 3, 0),
		"type":                 events.EventID(events.TypeLeft, "data", "ab", 12, 3, 0),
		"service":              events.EventID(events.TypeExpired, "date", "ab", 12, 3, 0),
		"id":                   events.EventID(events.TypeExpired, "data", "ac", 12, 3, 0),
		"incarnation":          events.EventID(events.TypeExpired, "data", "ab", 13, 3, 0),
		"ordinal":              events.EventID(events.TypeExpired, "data", "ab", 12, 4, 0),
		"round":                events.EventID(events.TypeExpired, "data", "ab", 12, 3, 1),
		"ordinal and round":    events.EventID(events.TypeExpired, "data", "ab", 12, 31, 0),
		"service and id":       events.EventID(events.TypeExpired, "dataa", "b", 12, 3, 0),
		"id and service":       events.EventID(events.TypeExpired, "dat", "aab", 12, 3, 0),
		"id and incarnation":   events.EventID(events.TypeExpired, "data", "ab1", 2, 3, 0),
		"incarnation, ordinal": events.EventID(events.TypeExpired, "data", "ab", 1, 23, 0),
		"sign":                 events.EventID(events.TypeExpired, "data", "ab", -12, 3, 0),
	} {
		if slices.Contains(seen, id) {
			t.Errorf("%s: equal to the id of another event", name)
		}
		if len(id) != 32 || strings.Trim(id, "0123456789abcdef") != "" {
			t.Errorf("%s: %q, want 32 hexadecimal digits", name, id)
		}
		seen = append(seen, id)
	}
}

func BenchmarkEncode(b *testing.B) {
	at := time.Date(2026, 11, 22, 12, 0, 0, 125e6, time.UTC)
	e, _ := events.New(events.TypeRegistered, events.Transition{
		ID: "fc6591bca110c3bbcc16c35fd4471ec3", Time: at, Cause: events.CauseHeartbeat, Revision: 118, LastSeen: at, Observer: "api-1",
		Server: events.Server{
			Service: "data", ID: "9f0c2c5e", Addr: "10.0.0.7:8080", State: events.StateAlive, Incarnation: 1763812345678, Seq: 42,
			IntervalMS: 5000, TTLMS: 10000, Weight: 100, Zone: "a", Version: "1.4.2", Tags: []string{"blue"}, Meta: events.Meta{{Key: "rack", Value: "r7"}},
			Load: &events.Load{InFlight: 3}, RegisteredAt: at, LastSeen: at, Via: "127.0.0.1:4150",
		},
	})
	b.ReportAllocs()
	for b.Loop() {
		if _, err := events.Encode(e); err != nil {
			b.Fatal(err)
		}
	}
}
