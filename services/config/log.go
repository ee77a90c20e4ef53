package config

import (
	"io"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"rollcall/services/check"
)

// Validate returns an error that names each invalid key.
func (l Log) Validate() error {
	p := check.Of("")
	level, err := zapcore.ParseLevel(l.Level)
	p.That(err == nil && l.Level != "" && level <= zapcore.ErrorLevel, "log.level", "%q: want debug, info, warn or error", l.Level)
	p.That(l.Format == "json" || l.Format == "console", "log.format", "%q: want json or console", l.Format)
	return p.Err()
}

// NewLogger returns a logger that writes to w, one line at a time. It uses level info and format json in place of invalid values.
func (l Log) NewLogger(w io.Writer) *zap.Logger {
	level, err := zapcore.ParseLevel(l.Level)
	if err != nil {
		level = zapcore.InfoLevel
	}
	enc := zap.NewProductionEncoderConfig()
	enc.EncodeTime = zapcore.RFC3339NanoTimeEncoder
	enc.EncodeDuration = zapcore.StringDurationEncoder
	encoder := zapcore.NewJSONEncoder(enc)
	if l.Format == "console" {
		enc.EncodeTime = zapcore.TimeEncoderOfLayout("15:04:05.000")
		encoder = zapcore.NewConsoleEncoder(enc)
	}
	return zap.New(zapcore.NewCore(encoder, zapcore.Lock(zapcore.AddSync(w)), level))
}
