package main

import (
	"github.com/spf13/cobra"

	"rollcall/services/app"
)

// addConfig gives a command the flags of the configuration's sections, and -c. The function it returns loads it all;
// its error is a usageError.
func addConfig(cmd *cobra.Command, sections ...string) func() (app.Config, error) {
	path := cmd.Flags().StringP("config", "c", "", "configuration file (YAML)")
	app.AddFlags(cmd.Flags(), sections...)
	return func() (app.Config, error) {
		cfg, err := app.Load(*path, cmd.Flags())
		if err != nil {
			return app.Config{}, usageError{err}
		}
		return cfg, nil
	}
}
