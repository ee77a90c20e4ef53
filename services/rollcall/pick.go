package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"rollcall/services/apiserver"
)

func newPick() *cobra.Command {
	var q apiserver.PickQuery
	cmd := &cobra.Command{
		Use:   "pick SERVICE",
		Short: "Choose one live server of a service and print its address",
		Args:  between(1, 1, "SERVICE"),
	}
	flags := addAsked(cmd)
	f := cmd.Flags()
	f.StringVar(&q.Policy, "policy", "", "p2c, random, roundrobin, leastload or hash; default: the policy of the service")
	f.StringVar(&q.Key, "key", "", "what the policy hash goes by")
	addComplete(cmd, &q.Complete)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		client, asJSON, err := flags.read()
		if err != nil {
			return err
		}
		picked, err := client.Pick(cmd.Context(), args[0], q)
		if err != nil {
			return explain(err)
		}
		if asJSON {
			return writeJSON(cmd.OutOrStdout(), picked)
		}
		_, err = fmt.Fprintln(cmd.OutOrStdout(), picked.Addr)
		return err
	}
	return cmd
}
