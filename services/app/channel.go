package app

import (
	"crypto/rand"
	"strings"
)

const (
	ephemeral   = "#ephemeral" // nsqd drops the channel when its last consumer disconnects
	maxChannel  = 64           // characters of the name of a channel, with the suffix
	processPart = 8            // characters that differ for each process
)

// channelOf returns a name of the NSQ channel of this process: the id, for people who read it in nsqadmin, and a random
// part. Two processes with the same id that shared a channel would each receive half of the heartbeats.
func channelOf(id string) string {
	suffix := "-" + strings.ToLower(rand.Text()[:processPart]) + ephemeral
	return id[:min(len(id), maxChannel-len(suffix))] + suffix
}
