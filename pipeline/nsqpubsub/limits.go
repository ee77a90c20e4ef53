package nsqpubsub

import (
	"strings"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/nsqio/go-nsq"
)

const (
	minHeartbeat = time.Second // nsqd allows none that are shorter
	maxBuffering = 200 * time.Millisecond

	// idleReadTimeout is for an nsqd that allows no heartbeat interval at all: it then sends its own, each 30 s by default.
	idleReadTimeout = 65 * time.Second
)

// lower replaces the setting that nsqd refuses in err by the next one that nsqd may allow, and reports false if err is about
// something else or nothing is left to try. A setting of 0 leaves the value to nsqd, which allows that in any case.
func (g *greeter) lower(err error) bool {
	answer := err.Error()
	if !strings.Contains(answer, "E_BAD_BODY") {
		return false
	}
	lowered := false
	for what, lower := range map[string]func(*nsq.Config) bool{
		"heartbeat interval":    lowerHeartbeat,
		"output buffer timeout": lowerBufferTimeout,
		"output buffer size":    lowerBufferSize,
	} {
		lowered = lowered || strings.Contains(answer, what) && lower(&g.conf)
	}
	if lowered {
		g.refused = err
	}
	return lowered
}

// warnOfLimits says once for each connection that needed it with which settings nsqd was satisfied.
func (g *greeter) warnOfLimits() {
	if g.refused == nil {
		return
	}
	g.logger.Error("nsqd does not allow the usual settings of a connection; others are used", g.refused, watermill.LogFields{
		"nsqd": g.addr, "heartbeat_interval": orNSQDs(g.conf.HeartbeatInterval),
		"output_buffer_timeout": orNSQDs(g.conf.OutputBufferTimeout), "output_buffer_size": g.conf.OutputBufferSize,
	})
	g.refused = nil
}

func orNSQDs(d time.Duration) string {
	if d == 0 {
		return "nsqd's default"
	}
	return d.String()
}

// lowerHeartbeat goes down by a second from 5 s, so that it stays within a second of what nsqd allows. Nsqd gives up a
// connection after two intervals without an answer: with a short interval, a shorter pause of this process costs it the
// messages of an ephemeral channel.
func lowerHeartbeat(conf *nsq.Config) bool {
	switch h := conf.HeartbeatInterval; {
	case h <= 0:
		return false
	case h > 5*time.Second:
		conf.HeartbeatInterval = max(5*time.Second, h/2)
	case h > minHeartbeat:
		conf.HeartbeatInterval = max(minHeartbeat, h-time.Second)
	default:
		conf.HeartbeatInterval, conf.ReadTimeout = 0, max(conf.ReadTimeout, idleReadTimeout)
	}
	return true
}

// lowerBufferTimeout doubles the time for which nsqd may hold messages back, up to 200 ms; nsqd's own default is 250 ms.
func lowerBufferTimeout(conf *nsq.Config) bool {
	switch t := conf.OutputBufferTimeout; {
	case t <= 0:
		return false
	case 2*t <= maxBuffering:
		conf.OutputBufferTimeout = 2 * t
	default:
		conf.OutputBufferTimeout = 0
	}
	return true
}

func lowerBufferSize(conf *nsq.Config) bool {
	lowered := conf.OutputBufferSize > 0
	conf.OutputBufferSize = 0
	return lowered
}
