package main

import (
	"github.com/spf13/cobra"

	"rollcall/services/app"
)

func newDataServer() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "dataserver",
		Short: "Run the sample data server",
		Args:  noArgs,
	}
	readConfig := addConfig(cmd, withBrokers("nsq.topic", "dataserver", "log")...)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		cfg, err := readConfig()
		if err != nil {
			return err
		}
		log := cfg.Log.NewLogger(cmd.ErrOrStderr())
		defer logHangups(log)()
		server, err := app.NewDataServer(cfg, log)
		if err != nil {
			return usageError{err}
		}
		return server.Run(cmd.Context())
	}
	return cmd
}
