package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"rollcall/events"
	"rollcall/services/apiserver"
	"rollcall/services/registry"
)

func newLs() *cobra.Command {
	var q apiserver.Query
	var state string
	cmd := &cobra.Command{
		Use:   "ls",
		Short: "List the servers",
		Args:  noArgs,
	}
	connect := addClient(cmd)
	output := addOutput(cmd)
	f := cmd.Flags()
	f.StringVar(&q.Service, "service", "", "only this service")
	f.StringVar(&state, "state", "", "only those in this state: alive, suspect or draining")
	f.StringVar(&q.Zone, "zone", "", "only those of this zone")
	f.StringSliceVar(&q.Tags, "tag", nil, "only those with this tag; may be given again")
	f.StringToStringVar(&q.Meta, "meta", nil, "only those with this metadata, key=value")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		asJSON, err := output.isJSON()
		if err != nil {
			return err
		}
		client, err := connect()
		if err != nil {
			return err
		}
		q.State = events.State(state)
		list, err := client.Servers(cmd.Context(), q)
		if err != nil {
			return explain(err)
		}
		if asJSON {
			return writeJSON(cmd.OutOrStdout(), list)
		}
		if list.Mode == registry.ModeBlind || list.Mode == registry.ModeHolding {
			fmt.Fprintf(cmd.ErrOrStderr(), "rollcall: the API server is %s, so the list may have servers that are gone; /v1/status tells why\n", list.Mode)
		}
		return writeServers(cmd, list.Servers)
	}
	return cmd
}

func writeServers(cmd *cobra.Command, servers []*events.Server) error {
	w := cmd.OutOrStdout()
	table := newTable(w)
	fmt.Fprintf(table, "SERVICE\tID\tADDRESS\t%s\tWEIGHT\tZONE\tVERSION\tSEEN\tVIA\n", paint(w, "STATE"))
	for _, s := range servers {
		age := (time.Duration(s.AgeMS) * time.Millisecond).Round(100 * time.Millisecond)
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%d\t%s\t%s\t%v ago\t%s\n",
			s.Service, s.ID, s.Addr, paint(w, s.State), s.Weight, dash(s.Zone), dash(s.Version), age, s.Via)
	}
	return table.Flush()
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
