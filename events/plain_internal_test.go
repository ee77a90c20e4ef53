package events

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"
)

// Whatever plain accepts, decodeStrict accepts with the same result.
func FuzzPlainMatchesDecodeStrict(f *testing.F) {
	golden, err := filepath.Glob("testdata/heartbeat*.json")
	if err != nil || len(golden) == 0 {
		f.Fatal("no golden heartbeats", err)
	}
	for _, path := range golden {
		b, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(b))
	}
	for _, body := range []string{
		`{}`, `{"v":1,"v":1}`, `{"meta":{"a":"b","a":"c"}}`, `{"load":{"in_flight":1,"in_flight":2}}`, `{"load":{}}`, `{"tags":[]}`,
		`{"seq":00}`, `{"seq":1e3}`, `{"seq":-1}`, `{"seq":1234567890123456789}`, `{"zone":null}`, `{"zone":"\u0061"}`, `{"tags":["a",]}`, `{"v":1,}`,
		`{"v":1}{}`, ` {"v" : 1 , "tags" : [ "a" , "b" ] } `, `{"sent_at":""}`, `{"sent_at":"2026-11-22T12:00:00+24:00"}`, "{\"zone\":\"\x7f\"}",
	} {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body string) {
		fast := Heartbeat{Type: KindHeartbeat, Weight: DefaultWeight}
		if p := (plain{text: body}); !p.heartbeat(&fast) {
			return
		}
		strict, err := decodeStrict([]byte(body))
		if err != nil || !reflect.DeepEqual(fast, strict) {
			t.Fatalf("plain        %+v\ndecodeStrict %+v, %v", fast, strict, err)
		}
	})
}

// plain saves time only if it accepts what the agent of an ordinary server publishes.
func TestOrdinaryHeartbeatIsPlain(t *testing.T) {
	b, err := json.Marshal(Heartbeat{
		V: 1, Type: KindHeartbeat, Service: "data", ID: "9f0c2c5e", Addr: "10.0.0.7:8080", Incarnation: 1763812345678, Seq: 42,
		IntervalMS: 5000, TTLMS: 10000, Weight: 100, Zone: "a", Version: "1.4.2", Tags: []string{"blue", "canary"},
		Meta: NewMeta(map[string]string{"rack": "r7", "row": "2"}), Load: &Load{InFlight: 3}, SentAt: time.Unix(1763812345, 678e6).UTC(),
	})
	if err != nil {
		t.Fatal(err)
	}
	if p := (plain{text: string(b)}); !p.heartbeat(&Heartbeat{}) {
		t.Errorf("%s is not plain at byte %d", b, p.pos)
	}
}

// A heartbeat whose every field is set passes both decoders without loss.
func TestDecodersReadEveryField(t *testing.T) {
	h := Heartbeat{
		V: 1, Type: KindLeave, Service: "billing", ID: "s7", Addr: "10.0.0.7:8080", Incarnation: 2, Seq: 3, IntervalMS: 4, TTLMS: 5,
		Weight: 6, Zone: "a", Version: "1.4.2", Tags: []string{"blue"}, Meta: Meta{{Key: "rack", Value: "r7"}}, Load: &Load{InFlight: 8},
		SentAt: time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC),
	}
	for f := range reflect.TypeFor[Heartbeat]().Fields() {
		if reflect.ValueOf(h).FieldByIndex(f.Index).IsZero() {
			t.Errorf("%s is zero: set it above", f.Name)
		}
	}
	body, err := json.Marshal(h)
	if err != nil {
		t.Fatal(err)
	}
	var fast Heartbeat
	if p := (plain{text: string(body)}); !p.heartbeat(&fast) || !reflect.DeepEqual(fast, h) {
		t.Errorf("plain read %+v, want %+v", fast, h)
	}
	if strict, err := decodeStrict(body); err != nil || !reflect.DeepEqual(strict, h) {
		t.Errorf("decodeStrict read %+v, %v, want %+v", strict, err, h)
	}
}
