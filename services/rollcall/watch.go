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
	"rollcall/services/app"
	"rollcall/services/subscriber"
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
		sub, err := subscriber.New(subscriber.Config{
			NSQ:   cluster,
			Topic: cfg.NSQ.Events,
			OnGap: func(g subscriber.Gap) { fmt.Fprintln(cmd.ErrOrStderr(), "rollcall:", gapLine(g)) },
		})
		if err != nil {
			return usageError{err}
		}
		deaf := time.AfterFunc(deafAfter, func() {
			if !slices.ContainsFunc(sub.Nodes(), func(n nsqpubsub.ConsumerNode) bool { return n.Connected }) {
				fmt.Fprintln(cmd.ErrOrStderr(), "rollcall: connected to no nsqd yet, trying on; see --nsq.lookupd and --nsq.nsqd")
			}
		})
		defer deaf.Stop()
		ctx, stop := context.WithCancelCause(cmd.Context())
		defer stop(nil)
		err = sub.Run(ctx, func(_ context.Context, e events.Event) error {
			if *service != "" && e.Details().Server.Service != *service {
				return nil
			}
			err := writeEvent(cmd.OutOrStdout(), asJSON, e)
			if err != nil {
				stop(err) // nobody reads any more: the event need not come again
			}
			return err
		})
		if cause := context.Cause(ctx); err == nil && cause != nil && cmd.Context().Err() == nil {
			return cause
		}
		return err
	}
	return cmd
}

// deafAfter is when watch says that it hears nothing: by then every nsqd that answers has been connected to.
const deafAfter = 2 * time.Second

func writeEvent(w io.Writer, asJSON bool, e events.Event) error {
	line := []byte(app.EventLine(e))
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
		return fmt.Sprintf("%s started again: events before that may be missing", g.Observer)
	}
	return fmt.Sprintf("revisions %d to %d of %s are missing", g.From, g.To, g.Observer)
}
