package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"rollcall/services/apiserver"
)

func newServices() *cobra.Command {
	var complete bool
	cmd := &cobra.Command{
		Use:   "services",
		Short: "List services and their number of servers by state",
		Args:  noArgs,
	}
	flags := addQueryFlags(cmd)
	addComplete(cmd, &complete)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		client, asJSON, err := flags.parse()
		if err != nil {
			return err
		}
		list, err := client.Services(cmd.Context(), complete)
		if err != nil {
			return explain(err)
		}
		if asJSON {
			return writeJSON(cmd.OutOrStdout(), list)
		}
		warn(cmd, list.Mode, list.Complete)
		return writeServices(cmd, list.Services)
	}
	return cmd
}

func writeServices(cmd *cobra.Command, services []apiserver.Service) error {
	table := newTable(cmd.OutOrStdout())
	fmt.Fprintf(table, "SERVICE\tALIVE\tSUSPECT\tDRAINING\n")
	for _, s := range services {
		fmt.Fprintf(table, "%s\t%d\t%d\t%d\n", s.Name, s.Alive, s.Suspect, s.Draining)
	}
	return table.Flush()
}
