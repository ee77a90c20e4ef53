package nsqpubsub

import (
	"github.com/ThreeDotsLabs/watermill"
	"github.com/nsqio/go-nsq"
)

// clientLog receives go-nsq's log messages. None is logged as an error: this package returns or logs the errors itself.
type clientLog func(msg string, fields watermill.LogFields)

func (l clientLog) Output(_ int, line string) error {
	l(line, nil)
	return nil
}

// clientLogs maps go-nsq's levels to Watermill's. go-nsq's debug level, which has a line for each message, is disabled.
func clientLogs(logger watermill.LoggerAdapter) map[nsq.LogLevel]clientLog {
	return map[nsq.LogLevel]clientLog{
		nsq.LogLevelDebug:   logger.Trace,
		nsq.LogLevelInfo:    logger.Trace,
		nsq.LogLevelWarning: logger.Debug,
		nsq.LogLevelError:   logger.Debug,
	}
}
