package config

import (
	"strings"
	"testing"

	"rollcall/pipeline/nsqpubsub"
)

func TestRandomIDIsValidForAnyHostName(t *testing.T) {
	for name, row := range map[string]struct{ host, prefix string }{
		"as it is":             {"web-1.example.com", "web-1.example.com-"},
		"long":                 {strings.Repeat("h", 300), strings.Repeat("h", 45) + "-"},
		"not of ASCII":         {"kühlschrank", "k-hlschrank-"},
		"not even UTF-8":       {"a\xffb", "a-b-"},
		"with spaces and more": {"a b#c/d\n", "a-b-c-d--"},
		"none":                 {"", "-"},
	} {
		t.Run(name, func(t *testing.T) {
			id := idOn(row.host)
			if suffix, ok := strings.CutPrefix(id, row.prefix); !ok || len(suffix) != 8 {
				t.Errorf("got %q, want %s and 8 characters", id, row.prefix)
			}
			cfg := Default()
			cfg.ID = id
			if err := cfg.Validate(); err != nil {
				t.Error(err)
			}
			if channel := nsqpubsub.EphemeralChannel(id); len(channel) > 64 {
				t.Errorf("channel %q has %d characters", channel, len(channel))
			}
		})
	}
}
