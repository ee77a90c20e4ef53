package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
	"go.uber.org/zap"
)

// logHangups logs each SIGHUP until stop is called, instead of ending the process. Scripts may send SIGHUP because many daemons reload their
// configuration then. rollcall reads its configuration at the start only.
func logHangups(log *zap.Logger) (stop func()) {
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	end, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-hangups:
				log.Warn("SIGHUP is ignored: restart the process to apply a changed configuration")
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

// endWithTerminal returns a context for interactive commands. It ends at SIGHUP, which signals the end of the terminal, so that the command
// stops in order as after Ctrl-C. If SIGHUP is ignored, as with nohup, it stays ignored.
func endWithTerminal(cmd *cobra.Command) (context.Context, context.CancelFunc) {
	if signal.Ignored(syscall.SIGHUP) {
		return context.WithCancel(cmd.Context())
	}
	return signal.NotifyContext(cmd.Context(), syscall.SIGHUP)
}
