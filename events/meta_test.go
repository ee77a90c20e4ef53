package events_test

import (
	"encoding/json"
	"reflect"
	"slices"
	"testing"

	"rollcall/events"
)

func TestNewMetaIsSorted(t *testing.T) {
	got := events.NewMeta(map[string]string{"b": "2", "a": "1", "aa": "3", "B": "4"})
	want := events.Meta{{"B", "4"}, {"a", "1"}, {"aa", "3"}, {"b", "2"}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestMetaGet(t *testing.T) {
	m := events.NewMeta(map[string]string{"rack": "r7", "empty": ""})
	for _, tt := range []struct {
		key, want string
		found     bool
	}{
		{"rack", "r7", true}, {"empty", "", true}, {"Rack", "", false}, {"rac", "", false}, {"", "", false},
	} {
		if got, found := m.Get(tt.key); got != tt.want || found != tt.found {
			t.Errorf("%q: %q, %v", tt.key, got, found)
		}
	}
	if _, found := events.Meta(nil).Get("rack"); found {
		t.Error("a nil Meta has a key")
	}
}

func TestMetaMapIsACopy(t *testing.T) {
	in := map[string]string{"rack": "r7"}
	m := events.NewMeta(in)
	in["rack"] = "changed"
	out := m.Map()
	out["rack"], out["more"] = "changed", "x"
	if want := (events.Meta{{"rack", "r7"}}); !reflect.DeepEqual(m, want) {
		t.Errorf("got %v, want %v", m, want)
	}
	if got := events.Meta(nil).Map(); got == nil || len(got) != 0 {
		t.Errorf("map of a nil Meta: %#v, want an empty map", got)
	}
}

func TestMetaJSON(t *testing.T) {
	for _, tt := range []struct {
		name string
		meta events.Meta
		want string
	}{
		{"nil is an empty object", nil, `{}`},
		{"empty is an empty object", events.Meta{}, `{}`},
		{"keys in order", events.NewMeta(map[string]string{"b": "2", "a": "1"}), `{"a":"1","b":"2"}`},
		{"text is escaped", events.Meta{{`a"`, "<b>\n"}}, `{"a\"":"\u003cb\u003e\n"}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := mustJSON(t, tt.meta)
			if string(b) != tt.want {
				t.Errorf("got %s, want %s", b, tt.want)
			}
			var back events.Meta
			if err := json.Unmarshal(b, &back); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(back, tt.meta) || (len(back) == 0) != (back == nil) {
				t.Errorf("decoded as %#v, want %v, and nil when empty", back, tt.meta)
			}
		})
	}
	for _, bad := range []string{`[]`, `"a"`, `{"a":1}`, `{"a":{}}`} {
		m := events.Meta{{"kept", "1"}}
		if err := json.Unmarshal([]byte(bad), &m); err == nil || len(m) != 1 {
			t.Errorf("%s: error %v, meta %v", bad, err, m)
		}
	}
}
