package main

import (
	"github.com/spf13/cobra"
)

func newConfig() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Print the merged configuration as YAML, with secrets masked",
		Args:  noArgs,
	}
	readConfig := addConfig(cmd, "id", "nsq", "registry", "api", "proxy", "dataserver", "log")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		cfg, err := readConfig()
		if err != nil {
			return err
		}
		text, err := cfg.YAML()
		if err != nil {
			return err
		}
		_, err = cmd.OutOrStdout().Write(text)
		return err
	}
	return cmd
}
