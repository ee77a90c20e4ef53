package main

import (
	"github.com/spf13/cobra"

	"rollcall/services/config"
)

// withBrokers returns names, followed by the keys of the connections to NSQ.
func withBrokers(names ...string) []string {
	return append(names, "nsq.lookupd", "nsq.nsqd", "nsq.auth", "nsq.compression", "nsq.tls")
}

// addConfig adds the flag -c, and the flags of the keys and sections in names. The function that addConfig returns reads the configuration;
// its error is a usageError.
func addConfig(cmd *cobra.Command, names ...string) func() (config.Config, error) {
	path := cmd.Flags().StringP("config", "c", "", "configuration file (YAML)")
	config.AddFlags(cmd.Flags(), names...)
	return func() (config.Config, error) {
		cfg, err := config.Read(*path, cmd.Flags(), nil)
		if err != nil {
			return config.Config{}, usageError{err}
		}
		return cfg, nil
	}
}
