package nsqpubsub

import (
	"crypto/rand"
	"strings"
)

const (
	ephemeral    = "#ephemeral" // nsqd deletes a channel with this suffix when its last consumer disconnects
	maxChannel   = 64           // maximum length of a channel name, including #ephemeral
	randomSuffix = 8            // number of random characters in a channel name
)

// EphemeralChannel returns a channel name that is unique to this process. The name begins with id, shortened if necessary, which
// identifies the process in nsqadmin. A random suffix follows. Without the suffix, two processes with the same id would share a
// channel, and each would receive half of the messages.
func EphemeralChannel(id string) string {
	suffix := "-" + strings.ToLower(rand.Text()[:randomSuffix]) + ephemeral
	return id[:min(len(id), maxChannel-len(suffix))] + suffix
}
