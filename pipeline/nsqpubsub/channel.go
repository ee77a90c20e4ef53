package nsqpubsub

import (
	"crypto/rand"
	"strings"
)

const (
	ephemeral    = "#ephemeral" // nsqd deletes the channel when its last consumer disconnects
	maxChannel   = 64           // maximum length of a name, with #ephemeral
	randomSuffix = 8            // number of random characters
)

// EphemeralChannel returns a channel name that is unique to this process. The name has id, which identifies the process in nsqadmin,
// and a random suffix. Without the suffix, two processes with the same id would share a channel, and each would receive half of the
// messages.
func EphemeralChannel(id string) string {
	suffix := "-" + strings.ToLower(rand.Text()[:randomSuffix]) + ephemeral
	return id[:min(len(id), maxChannel-len(suffix))] + suffix
}
