package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"rollcall/events"
	"rollcall/services/app"
	"rollcall/services/subscriber"
)

func newWatch() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "watch",
		Short: "Print the lifecycle events as they happen",
		Args:  noArgs,
	}
	load := addConfig(cmd, "nsq")
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
		return sub.Run(cmd.Context(), func(_ context.Context, e events.Event) error {
			if *service != "" && e.Details().Server.Service != *service {
				return nil
			}
			if !asJSON {
				_, err := fmt.Fprintln(cmd.OutOrStdout(), app.EventLine(e))
				return err
			}
			line, err := events.Encode(e)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s\n", line)
			return err
		})
	}
	return cmd
}

func gapLine(g subscriber.Gap) string {
	if g.Restarted {
		return fmt.Sprintf("%s started again: events before that may be missing", g.Observer)
	}
	return fmt.Sprintf("revisions %d to %d of %s are missing", g.From, g.To, g.Observer)
}
