package main

import (
	"github.com/spf13/cobra"

	"rollcall/services/app"
)

func newAPIServer() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "apiserver",
		Short: "Run an API server",
		Args:  noArgs,
	}
	readConfig := addConfig(cmd, "id", "nsq", "registry", "api", "proxy", "log")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		cfg, err := readConfig()
		if err != nil {
			return err
		}
		log := cfg.Log.NewLogger(cmd.ErrOrStderr())
		defer logHangups(log)()
		server, err := app.ListenAPIServer(cfg, log)
		if err != nil {
			return err
		}
		return server.Run(cmd.Context())
	}
	return cmd
}
