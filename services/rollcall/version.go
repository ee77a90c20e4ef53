package main

import (
	"fmt"
	"runtime"

	"github.com/spf13/cobra"

	"rollcall/services/app"
)

func newVersion() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "rollcall %s %s\n", app.Version(), runtime.Version())
			return err
		},
	}
}
