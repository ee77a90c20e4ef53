package nsqpubsub_test

import (
	"regexp"
	"strings"
	"testing"

	"rollcall/pipeline/nsqpubsub"
)

func TestEphemeralChannelDiffersInEachProcess(t *testing.T) {
	legal := regexp.MustCompile(`^[.a-zA-Z0-9_-]+#ephemeral$`) // nsqd's rule for channel names
	for _, id := range []string{"a", "apiserver1", "api-1.example_2", strings.Repeat("x", 45), strings.Repeat("y", 54)} {
		first, second := nsqpubsub.EphemeralChannel(id), nsqpubsub.EphemeralChannel(id)
		if first == second {
			t.Errorf("id %s: two processes have the channel %s", id, first)
		}
		if len(first) > 64 || !legal.MatchString(first) {
			t.Errorf("id %s: nsqd refuses the channel %s", id, first)
		}
		if readable := id[:min(len(id), 40)]; !strings.HasPrefix(first, readable) {
			t.Errorf("id %s: the channel is %s, want the id as its prefix", id, first)
		}
	}
}
