package apiserver

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"rollcall/events"
)

// metaLabel is the prefix of every label. Prometheus drops labels that begin with __meta_ after relabeling. So a label that changes,
// such as the state, starts no new series unless the configuration of Prometheus uses it.
const metaLabel = "__meta_rollcall_"

// encodeTargets appends to t the list that http_sd_configs of Prometheus reads. Each server is a group of its own.
func (s *Server) encodeTargets(ctx context.Context, t *text, p page) error {
	t.set(append(t.last(), '['))
	var e targetEncoder
	for block, first := range p.blocks() {
		err := s.lists.encoding.do(ctx, func() {
			for _, srv := range block.Servers[first:] {
				if !p.query.Matches(srv) {
					continue
				}
				b := t.last()
				if t.entries > 0 {
					b = append(b, ',')
				}
				t.entries++
				t.set(e.append(b, srv))
			}
		})
		if err != nil {
			return err
		}
	}
	t.set(append(t.last(), "]\n"...))
	return nil
}

// targetEncoder appends the target groups of servers. It keeps the memory that it needs for a server.
type targetEncoder struct {
	text   []byte
	labels int         // number of labels of the current server
	tags   []byte      // its tags as the value of a label
	meta   events.Meta // its metadata; the keys are the names of labels without prefix
}

// append appends the target group of a server. It uses only fields that do not change with each heartbeat. The labels are sorted.
func (e *targetEncoder) append(b []byte, s *events.Server) []byte {
	b = appendString(append(b, `{"targets":[`...), s.Addr)
	e.text, e.labels = append(b, `],"labels":{`...), 0
	e.label("id", "", s.ID)
	e.setMeta(s.Meta)
	for _, m := range e.meta {
		e.label("meta_", m.Key, m.Value)
	}
	e.label("service", "", s.Service)
	e.label("state", "", string(s.State))
	if len(s.Tags) > 0 {
		e.setTags(s.Tags)
		e.text = appendString(e.name("tags", ""), e.tags)
	}
	e.label("version", "", s.Version)
	e.text = append(strconv.AppendInt(append(e.name("weight", ""), '"'), int64(s.Weight), 10), '"')
	e.label("zone", "", s.Zone)
	return append(e.text, "}}"...)
}

// label appends a label. To Prometheus, an empty label is the same as an absent label.
func (e *targetEncoder) label(prefix, name, value string) {
	if value != "" {
		e.text = appendString(e.name(prefix, name), value)
	}
}

// name returns e.text with the name of a label. A name needs no escape.
func (e *targetEncoder) name(prefix, name string) []byte {
	b := e.text
	if e.labels > 0 {
		b = append(b, ',')
	}
	e.labels++
	b = append(append(append(b, '"'), metaLabel...), prefix...)
	return append(append(b, name...), `":`...)
}

// setTags joins the tags such that the regular expression .*,blue,.* finds blue at any position.
func (e *targetEncoder) setTags(tags []string) {
	e.tags = append(e.tags[:0], ',')
	for _, tag := range tags {
		e.tags = append(append(e.tags, tag...), ',')
	}
}

// setMeta takes the entries of m that have a value. If two keys have the same label name, setMeta takes the first key.
func (e *targetEncoder) setMeta(m events.Meta) {
	e.meta = e.meta[:0]
	for _, entry := range m { // sorted by key
		if entry.Value != "" {
			e.meta = append(e.meta, events.MetaEntry{Key: labelName(entry.Key), Value: entry.Value})
		}
	}
	slices.SortStableFunc(e.meta, func(a, b events.MetaEntry) int { return strings.Compare(a.Key, b.Key) })
	e.meta = slices.CompactFunc(e.meta, func(a, b events.MetaEntry) bool { return a.Key == b.Key })
}

// labelName replaces each character of key that a label name cannot have with an underscore.
func labelName(key string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, key)
}
