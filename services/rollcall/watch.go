package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"rollcall/events"
	"rollcall/pipeline/nsqpubsub"
	"rollcall/services/subscriber"
	"rollcall/services/terminal"
)

func newWatch() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "watch",
		Short: "Print lifecycle events as they happen",
		Args:  noArgs,
	}
	readConfig := addConfig(cmd, withBrokers("nsq.events")...)
	output := addOutput(cmd)
	service := cmd.Flags().String("service", "", "print only events of this service")
	all := cmd.Flags().Bool("all", false, "print also earlier events that NSQ has kept")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		asJSON, err := output.isJSON()
		if err != nil {
			return err
		}
		cfg, err := readConfig()
		if err != nil {
			return err
		}
		cluster, err := cfg.NSQ.Cluster()
		if err != nil {
			return usageError{err}
		}
		past := backlog{skip: !*all, start: time.Now(), messages: cmd.ErrOrStderr()}
		sub, err := subscriber.New(subscriber.Config{
			NSQ:   cluster,
			Topic: cfg.NSQ.Events,
			OnGap: past.gap,
		})
		if err != nil {
			return usageError{err}
		}
		interrupted, cancel := endWithTerminal(cmd)
		defer cancel()
		ctx, stop := context.WithCancelCause(interrupted)
		defer stop(nil)
		warning := time.AfterFunc(connectGrace, func() {
			connected := slices.ContainsFunc(sub.Nodes(), func(n nsqpubsub.ConsumerNode) bool { return n.Connected })
			if !connected && ctx.Err() == nil { // ctx is checked last: when ctx ends, the connections close, and that deserves no warning
				fmt.Fprintln(cmd.ErrOrStderr(), "rollcall: not connected to any nsqd yet, still trying; see --nsq.lookupd and --nsq.nsqd")
			}
		})
		defer warning.Stop()
		err = sub.Run(ctx, func(_ context.Context, e events.Event) error {
			if past.has(e) || *service != "" && e.Details().Server.Service != *service {
				return nil
			}
			err := writeEvent(cmd.OutOrStdout(), asJSON, e)
			if err != nil {
				stop(err) // standard output is closed, so there is no use for further events
			}
			return err
		})
		if cause := context.Cause(ctx); err == nil && cause != nil && interrupted.Err() == nil {
			return cause
		}
		return err
	}
	return cmd
}

// connectGrace is the time after which watch reports that it is not connected. By then, watch is connected to every nsqd that responds.
const connectGrace = 2 * time.Second

func writeEvent(w io.Writer, asJSON bool, e events.Event) error {
	line := []byte(terminal.EventLine(e))
	if asJSON {
		var err error
		if line, err = events.Encode(e); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(w, "%s\n", line)
	return err
}

func gapLine(g subscriber.Gap) string {
	if g.Restarted {
		return fmt.Sprintf("%s has restarted: earlier events may be missing", terminal.Escape(g.Observer))
	}
	return fmt.Sprintf("revisions %d to %d of %s are missing", g.From, g.To, terminal.Escape(g.Observer))
}

// backlog skips the events from before the start of the command: a topic without channels keeps its messages, and NSQ delivers them all to
// the first channel. backlog prints a message when it skips events, because a difference between clocks may make it skip new events.
type backlog struct {
	skip     bool
	start    time.Time
	messages io.Writer

	skipped, live bool // whether any event was skipped, and whether any event was not skipped; only the goroutine of Run uses them
}

// has reports whether to skip an event because it is from before the start of the command.
func (b *backlog) has(e events.Event) bool {
	if !b.skip || !e.Details().Time.Before(b.start) {
		b.live = true
		return false
	}
	if !b.skipped {
		b.skipped = true
		fmt.Fprintf(b.messages, "rollcall: skipping events from before %s; use --all to print them\n", b.start.Local().Format("15:04:05.000"))
	}
	return true
}

// gap reports missing events. While watch skips the backlog it reports none, because the user does not see those events.
func (b *backlog) gap(g subscriber.Gap) {
	if b.live || !b.skip {
		fmt.Fprintln(b.messages, "rollcall:", gapLine(g))
	}
}
