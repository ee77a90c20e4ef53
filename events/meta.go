package events

import (
	"encoding/json"
	"slices"
	"strings"
)

// Meta is a server's metadata, sorted by key, each key once. A slice and not a map, because
// a map of one entry weighs ten times as much in a roll of 100 000 servers. Treat it as immutable.
type Meta []MetaEntry

// MetaEntry is one key with its value.
type MetaEntry struct{ Key, Value string }

// NewMeta copies m; of an empty map it is nil, as of none.
func NewMeta(m map[string]string) Meta {
	if len(m) == 0 {
		return nil
	}
	meta := make(Meta, 0, len(m))
	for k, v := range m {
		meta = append(meta, MetaEntry{k, v})
	}
	meta.sort()
	return meta
}

// Get returns the value of key, and whether there is one.
func (m Meta) Get(key string) (string, bool) {
	for _, e := range m {
		if e.Key == key {
			return e.Value, true
		}
	}
	return "", false
}

// Map returns a copy of m that the caller owns.
func (m Meta) Map() map[string]string {
	out := make(map[string]string, len(m))
	for _, e := range m {
		out[e.Key] = e.Value
	}
	return out
}

// MarshalJSON writes an object; an empty Meta is {}.
func (m Meta) MarshalJSON() ([]byte, error) { return json.Marshal(m.Map()) }

// UnmarshalJSON reads an object of strings.
func (m *Meta) UnmarshalJSON(b []byte) error {
	var in map[string]string
	if err := json.Unmarshal(b, &in); err != nil {
		return err
	}
	*m = NewMeta(in)
	return nil
}

func (m Meta) sort() {
	if len(m) > 1 {
		slices.SortFunc(m, func(a, b MetaEntry) int { return strings.Compare(a.Key, b.Key) })
	}
}

func (m Meta) validate() error {
	if len(m) > MaxMetaKeys {
		return Invalid(ReasonMeta, "%d meta keys, want at most %d", len(m), MaxMetaKeys)
	}
	for _, e := range m {
		if e.Key == "" || len(e.Key) > MaxMetaKey || !printable(e.Key) {
			return Invalid(ReasonMeta, "meta key %.32q, want 1 to %d printable bytes", e.Key, MaxMetaKey)
		}
		if len(e.Value) > MaxMetaValue || !printable(e.Value) {
			return Invalid(ReasonMeta, "meta value of %.32q, want at most %d printable bytes", e.Key, MaxMetaValue)
		}
	}
	return nil
}
