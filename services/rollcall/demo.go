package main

import (
	"errors"

	"github.com/spf13/cobra"

	"rollcall/services/config"
	"rollcall/services/demo"
)

func newDemo() *cobra.Command {
	cfg := demo.DefaultConfig()
	log := config.Log{Level: "warn", Format: "console"}
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Run a demo: NSQ, an API server and data servers in one process",
		Long: `Run nsqlookupd, nsqd, an API server and data servers in one process, and print the lifecycle events.

The first server of each kind listens on the given address, the others on the ports after it. With port 0
the system chooses the ports. It also chooses them if no address is given and the default port is in use.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := errors.Join(cfg.Validate(), log.Validate()); err != nil {
				return usageError{err}
			}
			cfg.Explicit = cmd.Flags().Changed
			ctx, cancel := endWithTerminal(cmd)
			defer cancel()
			return demo.Run(ctx, cfg, cmd.OutOrStdout(), log.NewLogger(cmd.ErrOrStderr()))
		},
	}
	f := cmd.Flags()
	f.IntVar(&cfg.Servers, "servers", cfg.Servers, "number of data servers")
	f.IntVar(&cfg.NSQD, "nsqd", cfg.NSQD, "number of nsqd")
	f.StringVar(&cfg.API, "api", cfg.API, "address on which the HTTP API listens")
	f.StringVar(&cfg.Proxy, "proxy", cfg.Proxy, "address on which the proxy listens; off: no proxy")
	f.StringVar(&cfg.LookupdHTTP, "lookupd", cfg.LookupdHTTP, "HTTP address of nsqlookupd")
	f.StringVar(&cfg.LookupdTCP, "lookupd-tcp", cfg.LookupdTCP, "TCP address of nsqlookupd")
	f.StringVar(&cfg.NSQDTCP, "nsqd-tcp", cfg.NSQDTCP, "TCP address of the first nsqd; its HTTP port is the port after it")
	f.StringVar(&cfg.DataServer, "dataserver", cfg.DataServer, "address of the first data server")
	f.StringVar(&log.Level, "log.level", log.Level, "lowest level that is logged: debug, info, warn or error")
	return cmd
}
