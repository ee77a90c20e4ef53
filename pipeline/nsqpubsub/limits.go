package nsqpubsub

import (
	"strings"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/nsqio/go-nsq"
)

const (
	minHeartbeat = time.Second // the shortest heartbeat interval that nsqd allows
	maxBuffering = 200 * time.Millisecond

	// idleReadTimeout is the minimum read timeout if nsqd's default heartbeat interval of 30 s is used. It is longer than two
	// intervals.
	idleReadTimeout = 65 * time.Second
)

// lower finds out from nsqd's error err which setting nsqd does not allow, lowers that setting, and returns true. It returns false if
// err is not about a setting, or if the setting cannot be lowered further. A setting of 0 means nsqd's default, which every nsqd
// allows.
func (d *dialer) lower(err error) bool {
	text := err.Error()
	if !strings.Contains(text, "E_BAD_BODY") {
		return false
	}
	lowered := false
	for what, lower := range map[string]func(*nsq.Config) bool{
		"heartbeat interval":    lowerHeartbeat,
		"output buffer timeout": lowerBufferTimeout,
		"output buffer size":    lowerBufferSize,
	} {
		lowered = lowered || strings.Contains(text, what) && lower(&d.conf)
	}
	if lowered {
		d.disallowed = err
	}
	return lowered
}

// logLowered logs the settings that the dialer has lowered since the previous call of logLowered.
func (d *dialer) logLowered() {
	if d.disallowed == nil {
		return
	}
	d.logger.Error("nsqd does not allow the default settings of a connection; lower ones are used", d.disallowed, watermill.LogFields{
		"nsqd": d.addr, "heartbeat_interval": nsqdDefaultIfZero(d.conf.HeartbeatInterval),
		"output_buffer_timeout": nsqdDefaultIfZero(d.conf.OutputBufferTimeout), "output_buffer_size": d.conf.OutputBufferSize,
	})
	d.disallowed = nil
}

func nsqdDefaultIfZero(d time.Duration) string {
	if d == 0 {
		return "nsqd's default"
	}
	return d.String()
}

// lowerHeartbeat lowers the heartbeat interval. At 5 s and below it lowers in steps of a second, so that the result is within a second
// of nsqd's maximum. The interval should be as long as possible: nsqd closes a connection after two intervals without a response, so
// with a longer interval this process can pause for longer without losing messages of an ephemeral channel.
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

// lowerBufferTimeout doubles the time for which nsqd may buffer messages, because nsqd can require a minimum. Instead of a time above
// 200 ms it sets 0, which means nsqd's default of 250 ms.
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
