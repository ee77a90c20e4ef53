package app

import (
	"regexp"
	"strings"
	"testing"
)

func TestEachProcessHasAChannelOfItsOwn(t *testing.T) {
	legal := regexp.MustCompile(`^[.a-zA-Z0-9_-]+#ephemeral$`) // as nsqd has it
	for _, id := range []string{"a", "apiserver1", "api-1.example_2", strings.Repeat("x", 45), strings.Repeat("y", maxID)} {
		first, second := channelOf(id), channelOf(id)
		if first == second {
			t.Errorf("%s: the channel of two processes is %s", id, first)
		}
		if len(first) > 64 || !legal.MatchString(first) {
			t.Errorf("%s: nsqd refuses the channel %s", id, first)
		}
		if readable := id[:min(len(id), 40)]; !strings.HasPrefix(first, readable) {
			t.Errorf("%s: the channel is %s, want one that begins with the id", id, first)
		}
	}
}
