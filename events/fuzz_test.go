package events_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"rollcall/events"
)

// A JSON object that is accepted as a heartbeat is strict JSON, and a general JSON decoder returns the same heartbeat.
// Encoding and decoding do not change an accepted heartbeat.
func FuzzDecodeHeartbeat(f *testing.F) {
	seedGolden(f)
	for _, bad := range badHeartbeats(f) {
		f.Add([]byte(bad.body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		given := bytes.Clone(body)
		h, err := events.DecodeHeartbeat(body)
		if !bytes.Equal(body, given) {
			t.Fatalf("DecodeHeartbeat changed the body from %q to %q", given, body)
		}
		if err != nil {
			mustInvalid(t, err)
			if !reflect.ValueOf(h).IsZero() {
				t.Fatalf("%+v together with the error %v", h, err)
			}
			return
		}
		if bytes.HasPrefix(bytes.TrimLeft(body, " \t\r\n"), []byte("{")) {
			agreesWithJSON(t, body, h)
		}
		if err := h.Validate(); err != nil {
			mustInvalid(t, err)
			return
		}
		b := mustJSON(t, h)
		if len(b) > events.MaxBody {
			return // encoding can add escapes, so that the heartbeat becomes too large
		}
		again, err := events.DecodeHeartbeat(b)
		if err != nil || !sameHeartbeat(again, h) {
			t.Fatalf("%s\ndecoded as %+v, %v\nwant %+v", b, again, err, h)
		}
	})
}

func agreesWithJSON(t *testing.T, body []byte, h events.Heartbeat) {
	t.Helper()
	if !json.Valid(body) {
		t.Fatal("accepted, but encoding/json rejects it")
	}
	if !jsontext.Value(body).IsValid() { // IsValid rejects duplicate names and invalid UTF-8 at any depth
		t.Fatal("accepted, but it is not strict JSON")
	}
	if bytes.Contains(body, []byte("null")) || bytes.Contains(body, []byte(`""`)) {
		return // we treat null and an empty string as absent; other decoders set a zero value or return an error
	}
	want := events.Heartbeat{Type: events.KindHeartbeat, Weight: events.DefaultWeight}
	all := struct {
		*events.Heartbeat
		SentAt string `json:"sent_at"` // as text: time.Parse accepts hours of one digit, encoding/json/v2 does not
	}{Heartbeat: &want}
	if err := jsonv2.Unmarshal(body, &all); err != nil {
		t.Fatalf("accepted, but encoding/json/v2 returns %v", err)
	}
	want.SentAt, _ = time.Parse(time.RFC3339, all.SentAt) // SentAt stays zero if the field is absent
	if want.ID == "" {
		want.ID = want.Addr
	}
	// We decode an empty array or object as nil.
	if len(want.Tags) == 0 {
		want.Tags = nil
	}
	if h.Load == nil && want.Load != nil && *want.Load == (events.Load{}) {
		want.Load = nil
	}
	if !sameHeartbeat(h, want) {
		t.Fatalf("decoded as %+v\nwant       %+v", h, want)
	}
}

// Encoding and decoding do not change an event that Decode accepts.
func FuzzDecode(f *testing.F) {
	seedGolden(f)
	f.Add([]byte(event(`"time":"2026-11-22T13:00:00+01:00"`)))
	for _, bad := range badEvents {
		f.Add([]byte(bad.body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		e, err := events.Decode(body)
		if err != nil {
			if e != nil {
				t.Fatalf("%+v together with the error %v", e, err)
			}
			if !errors.Is(err, events.ErrUnknownType) {
				mustInvalid(t, err)
			}
			return
		}
		b, err := events.Encode(e)
		if err != nil {
			t.Fatal(err)
		}
		again, err := events.Decode(b)
		if err != nil {
			t.Fatalf("%s: %v", b, err)
		}
		if reflect.TypeOf(again) != reflect.TypeOf(e) || !reflect.DeepEqual(inUTC(again), inUTC(e)) {
			t.Fatalf("%s\ndecoded as %+v\nwant %+v", b, again, e)
		}
	})
}

// inUTC returns the details of e with all times in UTC.
func inUTC(e events.Event) events.Transition {
	d := e.Details()
	for _, at := range []*time.Time{&d.Time, &d.LastSeen, &d.Server.RegisteredAt, &d.Server.LastSeen} {
		*at = at.UTC()
	}
	return d
}

func seedGolden(f *testing.F) {
	f.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", "*.*"))
	if err != nil || len(files) == 0 {
		f.Fatalf("no seeds: %v", err)
	}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
}
