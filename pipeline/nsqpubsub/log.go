package nsqpubsub

import (
	"github.com/ThreeDotsLabs/watermill"
	"github.com/nsqio/go-nsq"
)

// clientLog receives go-nsq's log messages. No message of go-nsq is logged as an error, because this package returns or logs the errors
// itself.
type clientLog func(msg string, fields watermill.LogFields)

func (l clientLog) Output(_ int, line string) error {
	l(line, nil)
	return nil
}

// clientLogs returns the Watermill log function for each level of go-nsq. The dialer disables go-nsq's debug level, which has a line
// for each message.
func clientLogs(logger watermill.LoggerAdapter) map[nsq.LogLevel]clientLog {
	return map[nsq.LogLevel]clientLog{
		nsq.LogLevelDebug:   logger.Trace,
		nsq.LogLevelInfo:    logger.Trace,
		nsq.LogLevelWarning: logger.Debug,
		nsq.LogLevelError:   logger.Debug,
	}
}
