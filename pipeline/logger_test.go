package pipeline_test

import (
	"errors"
	"reflect"
	"testing"

	"github.com/ThreeDotsLabs/watermill"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"rollcall/pipeline"
)

func TestLogger(t *testing.T) {
	fields := watermill.LogFields{"topic": "t", "count": 3}
	for _, tt := range []struct {
		name   string
		write  func(watermill.LoggerAdapter)
		level  zapcore.Level
		fields map[string]any // nil if nothing is logged
	}{
		{"error", func(l watermill.LoggerAdapter) { l.Error("m", errors.New("busy"), fields) },
			zap.ErrorLevel, map[string]any{"topic": "t", "count": int64(3), "error": "busy"}},
		{"error without an error value", func(l watermill.LoggerAdapter) { l.Error("m", nil, nil) }, zap.ErrorLevel, map[string]any{}},
		{"info", func(l watermill.LoggerAdapter) { l.Info("m", fields) },
			zap.InfoLevel, map[string]any{"topic": "t", "count": int64(3)}},
		{"debug", func(l watermill.LoggerAdapter) { l.Debug("m", nil) }, zap.DebugLevel, map[string]any{}},
		{"trace is dropped", func(l watermill.LoggerAdapter) { l.Trace("m", fields) }, 0, nil},
		{"With adds fields", func(l watermill.LoggerAdapter) {
			l.With(watermill.LogFields{"a": "1"}).With(watermill.LogFields{"b": "2"}).Info("m", watermill.LogFields{"c": "3"})
		}, zap.InfoLevel, map[string]any{"a": "1", "b": "2", "c": "3"}},
		{"With does not change its receiver", func(l watermill.LoggerAdapter) {
			l.With(fields)
			l.Info("m", nil)
		}, zap.InfoLevel, map[string]any{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			core, logs := observer.New(zap.DebugLevel)
			tt.write(pipeline.NewLogger(zap.New(core)))
			lines := logs.All()
			if tt.fields == nil {
				if len(lines) != 0 {
					t.Errorf("got %+v, want nothing", lines)
				}
				return
			}
			if len(lines) != 1 {
				t.Fatalf("got %d lines, want one", len(lines))
			}
			if got := lines[0]; got.Level != tt.level || got.Message != "m" || !reflect.DeepEqual(got.ContextMap(), tt.fields) {
				t.Errorf("got %v %q %v, want %v m %v", got.Level, got.Message, got.ContextMap(), tt.level, tt.fields)
			}
		})
	}
}
