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
		Short: "Print the lifecycle events as they happen",
		Args:  noArgs,
	}
	load := addConfig(cmd, withBrokers("nsq.events")...)
	output := addOutput(cmd)
	service := cmd.Flags().String("service", "", "only the events of this service")
	all := cmd.Flags().Bool("all", false, "also the events from before the start that NSQ has kept")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		asJSON, err := output.isJSON()
		if err != nil {
			return err
		}
		cfg, err := load()
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
		deaf := time.AfterFunc(deafAfter, func() {
			connected := slices.ContainsFunc(sub.Nodes(), func(n nsqpubsub.ConsumerNode) bool { return n.Connected })
			if !connected && ctx.Err() == nil { // asked last: at the end every connection is closed
				fmt.Fprintln(cmd.ErrOrStderr(), "rollcall: connected to no nsqd yet, trying on; see --nsq.lookupd and --nsq.nsqd")
			}
		})
		defer deaf.Stop()
		err = sub.Run(ctx, func(_ context.Context, e events.Event) error {
			if past.has(e) || *service != "" && e.Details().Server.Service != *service {
				return nil
			}
			err := writeEvent(cmd.OutOrStdout(), asJSON, e)
			if err != nil {
				stop(err) // nobody reads any more: the event need not come again
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

// deafAfter is when watch says that it hears nothing: by then every nsqd that answers has been connected to.
const deafAfter = 2 * time.Second

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
		return fmt.Sprintf("%s started again: events before that may be missing", terminal.Escape(g.Observer))
	}
	return fmt.Sprintf("revisions %d to %d of %s are missing", g.From, g.To, terminal.Escape(g.Observer))
}

// backlog is what a topic that had no channel has kept: the first channel gets all of it. Its events are skipped, and a
// message says so once, because the clocks of the API servers and of this machine may differ.
type backlog struct {
	skip     bool
	start    time.Time
	messages io.Writer

	skipped, live bool // of the goroutine that handles events
}

// has reports whether an event is from before the start.
func (b *backlog) has(e events.Event) bool {
	if !b.skip || !e.Details().Time.Before(b.start) {
		b.live = true
		return false
	}
	if !b.skipped {
		b.skipped = true
		fmt.Fprintf(b.messages, "rollcall: events from before %s are skipped; --all prints them\n", b.start.Local().Format("15:04:05.000"))
	}
	return true
}

// gap tells of missing events, unless only events from before the start have come.
func (b *backlog) gap(g subscriber.Gap) {
	if b.live || !b.skip {
		fmt.Fprintln(b.messages, "rollcall:", gapLine(g))
	}
}
