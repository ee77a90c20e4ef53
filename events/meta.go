package events

import (
	"encoding/json"
	"slices"
	"strings"
)

// Meta is a server's metadata, sorted by key, without duplicate keys. It is a slice because a map with one entry takes ten
// times the memory. Treat it as immutable.
type Meta []MetaEntry

// MetaEntry is one key with its value.
type MetaEntry struct{ Key, Value string }

// NewMeta returns the entries of m, or nil if m is empty.
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

// Get returns the value of key, and whether m has the key.
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

// MarshalJSON encodes m as an object; an empty Meta is {}.
func (m Meta) MarshalJSON() ([]byte, error) { return json.Marshal(m.Map()) }

// UnmarshalJSON decodes an object of strings.
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
