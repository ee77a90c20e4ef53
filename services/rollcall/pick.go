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
		Short: "Print the address of a live server, chosen by the load balancing policy",
		Args:  between(1, 1, "SERVICE"),
	}
	flags := addQueryFlags(cmd)
	f := cmd.Flags()
	f.StringVar(&q.Policy, "policy", "", "load balancing policy: p2c, random, roundrobin, leastload or hash; default: the policy of the service")
	f.StringVar(&q.Key, "key", "", "key of the policy hash")
	addComplete(cmd, &q.Complete)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		client, asJSON, err := flags.parse()
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
