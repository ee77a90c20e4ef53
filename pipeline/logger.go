package pipeline

import (
	"time"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill/message"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// zapLogger is a Watermill logger that uses zap. It drops trace messages, of which Watermill writes one for each message.
type zapLogger struct {
	log  *zap.Logger
	info zapcore.Level // level of Watermill's info messages
}

// NewLogger returns a logger for publishers and subscribers. It writes at most 100 entries with the same message in ten seconds.
func NewLogger(log *zap.Logger) watermill.LoggerAdapter {
	return zapLogger{sampled(log, 10*time.Second, 100), zap.InfoLevel}
}

// routerLogger returns a logger for Watermill's router. It logs the router's info messages at level debug, because they are about the
// router's internals.
func routerLogger(log *zap.Logger) watermill.LoggerAdapter {
	return zapLogger{sampled(log, 10*time.Second, 2), zap.DebugLevel}
}

// sampled returns the logger log with a limit: of the entries with the same message, it logs only the first few in each period. The
// parameter first is their number.
func sampled(log *zap.Logger, period time.Duration, first int) *zap.Logger {
	return log.WithOptions(zap.WrapCore(func(c zapcore.Core) zapcore.Core {
		return zapcore.NewSamplerWithOptions(c, period, first, 0)
	}))
}

func (z zapLogger) Error(msg string, err error, fields watermill.LogFields) {
	z.write(zap.ErrorLevel, msg, fields, zap.Error(err))
}

func (z zapLogger) Info(msg string, fields watermill.LogFields) { z.write(z.info, msg, fields) }

func (z zapLogger) Debug(msg string, fields watermill.LogFields) {
	z.write(zap.DebugLevel, msg, fields)
}

func (zapLogger) Trace(string, watermill.LogFields) {}

func (z zapLogger) With(fields watermill.LogFields) watermill.LoggerAdapter {
	return zapLogger{z.log.With(zapFields(fields)...), z.info}
}

func (z zapLogger) write(level zapcore.Level, msg string, fields watermill.LogFields, more ...zap.Field) {
	if entry := z.log.Check(level, msg); entry != nil {
		entry.Write(append(zapFields(fields), more...)...)
	}
}

func zapFields(fields watermill.LogFields) []zap.Field {
	out := make([]zap.Field, 0, len(fields)+1)
	for k, v := range fields {
		if _, isMessages := v.(message.Messages); isMessages {
			continue // a log message would only show the pointers in the slice
		}
		out = append(out, zap.Any(k, v))
	}
	return out
}
