package nsqpubsub

import (
	"github.com/ThreeDotsLabs/watermill"
	"github.com/nsqio/go-nsq"
)

// clientLog takes what go-nsq logs. Nothing of it is an error here: what matters is returned to the
// caller or logged by this package.
type clientLog func(msg string, fields watermill.LogFields)

func (l clientLog) Output(_ int, line string) error {
	l(line, nil)
	return nil
}

// clientLogs is how go-nsq's levels map to Watermill's. Its debug level tells of each message and is off.
func clientLogs(logger watermill.LoggerAdapter) map[nsq.LogLevel]clientLog {
	return map[nsq.LogLevel]clientLog{
		nsq.LogLevelDebug:   logger.Trace,
		nsq.LogLevelInfo:    logger.Trace,
		nsq.LogLevelWarning: logger.Debug,
		nsq.LogLevelError:   logger.Debug,
	}
}
