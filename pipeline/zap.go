package pipeline

import (
	"time"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill/message"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// zapLogger is Watermill's logger over zap. Watermill's info tells of its own machinery, so it is
// debug here; its trace is written for each message and is left out.
type zapLogger struct{ log *zap.Logger }

// NewLogger adapts log to what Watermill and its subscribers want. Of lines with the same message two in ten seconds
// are written: while no broker can be reached Watermill has one for each try.
func NewLogger(log *zap.Logger) watermill.LoggerAdapter {
	return zapLogger{log.WithOptions(zap.WrapCore(func(c zapcore.Core) zapcore.Core {
		return zapcore.NewSamplerWithOptions(c, 10*time.Second, 2, 0)
	}))}
}

func (z zapLogger) Error(msg string, err error, fields watermill.LogFields) {
	z.write(zap.ErrorLevel, msg, fields, zap.Error(err))
}

func (z zapLogger) Info(msg string, fields watermill.LogFields) { z.write(zap.DebugLevel, msg, fields) }

func (z zapLogger) Debug(msg string, fields watermill.LogFields) {
	z.write(zap.DebugLevel, msg, fields)
}

func (zapLogger) Trace(string, watermill.LogFields) {}

func (z zapLogger) With(fields watermill.LogFields) watermill.LoggerAdapter {
	return zapLogger{z.log.With(zapFields(fields)...)}
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
			continue // pointers
		}
		out = append(out, zap.Any(k, v))
	}
	return out
}
