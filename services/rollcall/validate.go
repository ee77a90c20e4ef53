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
		Short: "Say what an API server would make of a heartbeat, without NSQ",
		Long: "Read one heartbeat or leave, JSON or a bare address, from standard input, and print it with every default filled in.\n" +
			"The exit code is 1 if an API server with this configuration would reject it, with the reason on standard error.",
		Args: noArgs,
	}
	load := addConfig(cmd, "registry.interval", "registry.ttl", "registry.allow")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		cfg, err := load()
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
