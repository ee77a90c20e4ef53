package events_test

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"rollcall/events"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// full is a heartbeat with every field set.
var full = events.Heartbeat{
	V: 1, Type: events.KindHeartbeat, Service: "data", ID: "9f0c2c5e", Addr: "10.0.0.7:8080",
	Incarnation: 1763812345678, Seq: 42, IntervalMS: 5000, TTLMS: 10000, Weight: 100, Zone: "a", Version: "1.4.2",
	Tags: []string{"blue", "canary"}, Meta: events.Meta{{"note", "<b> & ü"}, {"rack", "r7"}},
	Load: &events.Load{InFlight: 3}, SentAt: time.Date(2026, 11, 22, 12, 0, 0, 123e6, time.UTC),
}

// transition is the content of a lifecycle event, with every field set.
var transition = events.Transition{
	ID:   events.EventID(events.TypeExpired, "data", "9f0c2c5e", 1763812345678, 42, 0),
	Time: time.Date(2026, 11, 22, 12, 0, 10, 250e6, time.UTC),
	Server: events.Server{
		Service: "data", ID: "9f0c2c5e", Addr: "10.0.0.7:8080", State: events.StateSuspect, Incarnation: 1763812345678, Seq: 42,
		IntervalMS: 5000, TTLMS: 10000, Weight: 100, Zone: "a", Version: "1.4.2", Tags: []string{"blue", "canary"},
		Meta: events.Meta{{"note", "<b> & ü"}, {"rack", "r7"}}, Load: &events.Load{InFlight: 3},
		RegisteredAt: time.Date(2026, 11, 22, 11, 0, 0, 0, time.UTC), LastSeen: time.Date(2026, 11, 22, 12, 0, 0, 125e6, time.UTC),
		AgeMS: 10125, Via: "127.0.0.1:4150",
	},
	Cause: events.CauseTTL, Revision: 118, LastSeen: time.Date(2026, 11, 22, 12, 0, 0, 125e6, time.UTC), Observer: "api-1",
}

func TestGoldenHeartbeats(t *testing.T) {
	leave := full
	leave.Type, leave.Seq, leave.Load = events.KindLeave, 43, nil
	for name, want := range map[string]events.Heartbeat{
		"heartbeat_full.json":    full,
		"heartbeat_minimal.json": minimal,
		"leave.json":             leave,
	} {
		t.Run(name, func(t *testing.T) {
			body := golden(t, name, mustJSON(t, want))
			if got := mustAcceptBytes(t, body); !reflect.DeepEqual(got, want) {
				t.Errorf("got  %+v\nwant %+v", got, want)
			}
		})
	}
}

func TestGoldenBareAddress(t *testing.T) {
	body := golden(t, "bare.txt", []byte(minimal.Addr))
	if got := mustAcceptBytes(t, body); !reflect.DeepEqual(got, minimal) {
		t.Errorf("got  %+v\nwant %+v", got, minimal)
	}
}

func TestGoldenLifecycleEvents(t *testing.T) {
	for typ := range lifecycle {
		name := strings.TrimPrefix(string(typ), "rollcall.") + ".json"
		t.Run(name, func(t *testing.T) {
			tr := transition
			tr.ID = events.EventID(typ, "data", "9f0c2c5e", 1763812345678, 42, 0)
			want, _ := events.New(typ, tr)
			encoded, err := events.Encode(want)
			if err != nil {
				t.Fatal(err)
			}
			got, err := events.Decode(golden(t, name, encoded))
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("got  %+v\nwant %+v", got, want)
			}
		})
	}
}

func TestGoldenModeChanged(t *testing.T) {
	at := time.Date(2026, 11, 22, 12, 0, 10, 250e6, time.UTC)
	want := events.ModeChanged{
		Transition: events.Transition{
			ID: events.ModeEventID("api-1", at, 119), Time: at, Cause: events.CauseBlind, Revision: 119, Observer: "api-1",
		},
		Mode: events.ModeBlind, Previous: events.ModeNormal, Detail: "no message has arrived through any of 3 nsqd for 2.5s",
	}
	encoded, err := events.Encode(want)
	if err != nil {
		t.Fatal(err)
	}
	got, err := events.Decode(golden(t, "registry.mode.json", encoded))
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v, %v\nwant %+v", got, err, want)
	}
}

func TestGoldenConflictChanged(t *testing.T) {
	at, started := time.Date(2026, 11, 22, 12, 0, 10, 250e6, time.UTC), time.Date(2026, 11, 22, 11, 59, 1, 0, time.UTC)
	want := events.ConflictChanged{
		Transition: events.Transition{
			ID: events.ConflictEventID("api-1", at.Add(-time.Minute), at, 120), Time: at, Cause: events.CauseDuplicate, Revision: 120, Observer: "api-1",
		},
		Conflict: true, Started: started, Detail: `another API server has the id "api-1"`,
	}
	encoded, err := events.Encode(want)
	if err != nil {
		t.Fatal(err)
	}
	got, err := events.Decode(golden(t, "registry.conflict.json", encoded))
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v, %v\nwant %+v", got, err, want)
	}
}

func TestGoldenRejected(t *testing.T) {
	want := events.Rejected{
		Reason: events.ReasonMalformed, Detail: "bytes that are neither JSON nor text",
		Time: time.Date(2026, 11, 22, 12, 0, 0, 125e6, time.UTC), Via: "127.0.0.1:4150", Body: []byte("\x1f\x8b\x00{\"v\":"),
	}
	var got events.Rejected
	if err := json.Unmarshal(golden(t, "rejected.json", mustJSON(t, want)), &got); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

// golden returns the content of a file in testdata. The test fails unless that content is the text of the parameter encoded,
// followed by a line end.
func golden(t *testing.T, name string, encoded []byte) []byte {
	t.Helper()
	path := filepath.Join("testdata", name)
	encoded = append(encoded, '\n')
	if *update {
		if err := os.WriteFile(path, encoded, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(encoded) != string(b) {
		t.Errorf("encoded as\n%s%s has\n%s", encoded, path, b)
	}
	return b
}
