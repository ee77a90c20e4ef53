package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
	"go.uber.org/zap"
)

// logHangups logs each SIGHUP, which would end the process otherwise, until stop is called. Daemons reload their configuration at
// this signal, so a script may send it; this one reads its configuration at the start alone.
func logHangups(log *zap.Logger) (stop func()) {
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	end, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-hangups:
				log.Warn("SIGHUP does nothing: the configuration is read at the start alone; restart the process to apply changes")
			case <-end:
				return
			}
		}
	}()
	return func() {
		signal.Stop(hangups)
		close(end)
		<-ended
	}
}

// endWithTerminal is the context of a command for people: SIGHUP, the end of its terminal, ends it in order, as Ctrl-C does, unless
// the command was started to ignore it, as by nohup.
func endWithTerminal(cmd *cobra.Command) (context.Context, context.CancelFunc) {
	if signal.Ignored(syscall.SIGHUP) {
		return context.WithCancel(cmd.Context())
	}
	return signal.NotifyContext(cmd.Context(), syscall.SIGHUP)
}
