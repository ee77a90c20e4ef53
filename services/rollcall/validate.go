package main

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"rollcall/events"
	"rollcall/services/app"
)

func newValidate() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "validate [flags] < HEARTBEAT",
		Short: "Check a heartbeat as an API server does, without NSQ",
		Long: "Read a heartbeat or leave, as JSON or a bare address, from standard input, and print it with all defaults filled in.\n" +
			"If an API server with this configuration would reject it, print the reason and exit with 1.",
		Args: noArgs,
	}
	readConfig := addConfig(cmd, "registry.interval", "registry.ttl", "registry.allow")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		cfg, err := readConfig()
		if err != nil {
			return err
		}
		body, err := io.ReadAll(io.LimitReader(cmd.InOrStdin(), events.MaxBody+1))
		if err != nil {
			return fmt.Errorf("standard input: %w", err)
		}
		h, notes, err := app.ValidateHeartbeat(cfg, body, time.Now())
		if err != nil {
			return fmt.Errorf("rejected: %w", err)
		}
		for _, note := range notes {
			fmt.Fprintf(cmd.ErrOrStderr(), "rollcall: note: %s\n", note)
		}
		return writeJSON(cmd.OutOrStdout(), h)
	}
	return cmd
}
