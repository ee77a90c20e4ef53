package events_test

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	"rollcall/events"
)

// lifecycle holds each type once, with the concrete type that stands for it.
var lifecycle = map[events.Type]events.Event{
	events.TypeRegistered: events.ServerRegistered{},
	events.TypeUpdated:    events.ServerUpdated{},
	events.TypeSuspected:  events.ServerSuspected{},
	events.TypeRecovered:  events.ServerRecovered{},
	events.TypeExpired:    events.ServerExpired{},
	events.TypeLeft:       events.ServerLeft{},
	events.TypeReplaced:   events.ServerReplaced{},
}

func TestNewMakesEachType(t *testing.T) {
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

func TestUnknownTypeIsToldApart(t *testing.T) {
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
	{"cut", `{"specversion":"1.0"`, events.ReasonMalformed},
	{"a heartbeat", `{"v":1,"type":"heartbeat","service":"data","addr":"10.0.0.7:8080"}`, events.ReasonVersion},
	{"specversion of tomorrow", event(`"specversion":"2.0"`), events.ReasonVersion},
	{"no id", event(`"id":""`), events.ReasonMalformed},
	{"no source", event(`"source":""`), events.ReasonMalformed},
	{"time not a time", event(`"time":"now"`), events.ReasonMalformed},
	{"no data", event(`"data":null`), events.ReasonMalformed},
	{"data of another shape", event(`"data":"text"`), events.ReasonMalformed},
	{"a server without id", event(`"data":{"server":{"service":"data"}}`), events.ReasonMalformed},
	{"a server without service", event(`"data":{"server":{"id":"a"}}`), events.ReasonMalformed},
	{"a field of another kind", event(`"data":{"server":{"service":"data","id":"a","weight":"1"}}`), events.ReasonMalformed},
	{"a revision below 0", event(`"data":{"server":{"service":"data","id":"a"},"revision":-1}`), events.ReasonMalformed},
	{"meta of another shape", event(`"data":{"server":{"service":"data","id":"a","meta":["x"]}}`), events.ReasonMalformed},
}

// event is the least that Decode takes, with the fields of last put over its own.
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

func TestDecodeTakesWhatItNeeds(t *testing.T) {
	e, err := events.Decode([]byte(event(`"unknown":{"x":[1]},"subject":"whatever"`)))
	if err != nil {
		t.Fatal(err)
	}
	want := events.ServerLeft{Transition: events.Transition{
		ID: "1", Server: events.Server{Service: "data", ID: "a"}, Observer: "api-1", // by its source
	}}
	if !reflect.DeepEqual(e, want) {
		t.Errorf("got  %+v\nwant %+v", e, want)
	}
}

func TestEventID(t *testing.T) {
	id := events.EventID(events.TypeExpired, "data", "9f0c2c5e", 1763812345678, 42, 0)
	// Kept for ever: API servers of different versions must agree on it.
	if want := "b03947a2bba1d32d4d560ee1d3767145"; id != want {
		t.Errorf("got %s, want %s", id, want)
	}
	if again := events.EventID(events.TypeExpired, "data", "9f0c2c5e", 1763812345678, 42, 0); again != id {
		t.Errorf("then %s, now %s", id, again)
	}
}

func TestEventIDDiffersInEachPart(t *testing.T) {
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
			t.Errorf("%s: the id of another event", name)
		}
		if len(id) != 32 || strings.Trim(id, "0123456789abcdef") != "" {
			t.Errorf("%s: %q, want 32 hexadecimal digits", name, id)
		}
		seen = append(seen, id)
	}
}
