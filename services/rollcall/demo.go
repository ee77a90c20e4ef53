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
		Short: "Run NSQ, an API server and data servers in one process",
		Long: `Run nsqlookupd, nsqd, an API server and data servers in this process, and print the lifecycle events.

Of each kind the first listens on the given address and the others on the ports after it; port 0 lets the
system choose. Where no address is given and another process has the usual one, the system chooses too.`,
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
	f.StringVar(&cfg.API, "api", cfg.API, "address to listen on for the HTTP API")
	f.StringVar(&cfg.Proxy, "proxy", cfg.Proxy, "address to listen on for the proxy; off: none")
	f.StringVar(&cfg.LookupdHTTP, "lookupd", cfg.LookupdHTTP, "HTTP address of nsqlookupd")
	f.StringVar(&cfg.LookupdTCP, "lookupd-tcp", cfg.LookupdTCP, "TCP address of nsqlookupd")
	f.StringVar(&cfg.NSQDTCP, "nsqd-tcp", cfg.NSQDTCP, "TCP address of the first nsqd; its HTTP port is the next one")
	f.StringVar(&cfg.DataServer, "dataserver", cfg.DataServer, "address of the first data server")
	f.StringVar(&log.Level, "log.level", log.Level, "debug, info, warn or error")
	return cmd
}
