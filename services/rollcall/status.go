package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"rollcall/services/apiserver"
	"rollcall/services/terminal"
)

func newStatus() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show the mode of the API server and the reception of each nsqd",
		Args:  noArgs,
	}
	flags := addQueryFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		client, asJSON, err := flags.parse()
		if err != nil {
			return err
		}
		status, err := client.Status(cmd.Context())
		if err != nil {
			return explain(err)
		}
		if asJSON {
			return writeJSON(cmd.OutOrStdout(), status)
		}
		return writeStatus(cmd, status)
	}
	return cmd
}

func writeStatus(cmd *cobra.Command, s *apiserver.Status) error {
	w := cmd.OutOrStdout()
	fmt.Fprintf(w, "%s  version %s  up %v\n%s: %s\n", terminal.Escape(s.ID), terminal.Escape(s.Version), time.Duration(s.UptimeS)*time.Second,
		s.Mode, terminal.Escape(s.Detail))
	if c := s.Conflict; c != nil {
		fmt.Fprintf(w, "id conflict: %s (ready here: %s)\n", terminal.Escape(c.Detail), yesNo(c.Ready))
	}
	fmt.Fprintln(w)
	table := newTable(w)
	row := func(name string, value any) { fmt.Fprintf(table, "  %s\t%v\n", name, value) }
	row("mode since", s.ModeSince.Local().Format(time.DateTime))
	row("complete", yesNo(s.Complete))
	row("revision", s.Revision)
	row("servers", fmt.Sprintf("%d alive, %d suspect, %d draining", s.Servers.Alive, s.Servers.Suspect, s.Servers.Draining))
	row("events", fmt.Sprintf("%d waiting, %d dropped, %d unpublishable", s.Outbox.Length, s.Outbox.Dropped, s.Outbox.Unpublishable))
	fmt.Fprintf(table, "\nNSQD\tCONNECTED\tRECEPTION\tLAG\tRECEIVED\tERROR\n")
	for _, n := range s.NSQD {
		fmt.Fprintf(table, "%s\t%s\t%s\t%v\t%d\t%s\n", terminal.Escape(n.Address), yesNo(n.Connected), n.Reception,
			time.Duration(n.LagMS)*time.Millisecond, n.Received, dash(n.Error))
	}
	return table.Flush()
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
