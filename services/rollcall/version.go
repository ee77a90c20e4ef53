package main

import (
	"fmt"
	"runtime"

	"github.com/spf13/cobra"

	"rollcall/services/version"
)

func newVersion() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprint(cmd.OutOrStdout(), versionLine())
			return err
		},
	}
}

// versionLine is the output of the command version and of the flag --version.
func versionLine() string {
	return fmt.Sprintf("rollcall %s %s\n", version.String(), runtime.Version())
}
