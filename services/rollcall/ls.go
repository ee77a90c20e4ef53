package main

import (
	"bufio"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"rollcall/events"
	"rollcall/services/apiserver"
	"rollcall/services/registry"
	"rollcall/services/terminal"
)

func newLs() *cobra.Command {
	var q apiserver.Query
	var state string
	cmd := &cobra.Command{
		Use:   "ls [SERVICE]",
		Short: "List servers",
		Args:  between(0, 1, "at most one SERVICE"),
	}
	flags := addQueryFlags(cmd, formatName, formatAddr)
	f := cmd.Flags()
	f.StringVar(&q.Service, "service", "", "list only servers of this service; the same as SERVICE")
	f.StringVar(&state, "state", "", "list only servers in this state: alive, suspect or draining")
	f.StringVar(&q.Zone, "zone", "", "list only servers in this zone")
	f.StringSliceVar(&q.Tags, "tag", nil, "list only servers with this tag; can be repeated")
	f.StringToStringVar(&q.Meta, "meta", nil, "list only servers with this metadata, KEY=VALUE; can be repeated")
	addComplete(cmd, &q.Complete)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		client, asJSON, err := flags.parse()
		if err != nil {
			return err
		}
		if len(args) == 1 {
			if q.Service != "" && q.Service != args[0] {
				return usageError{fmt.Errorf("SERVICE is %q and --service %q: want one of them", args[0], q.Service)}
			}
			q.Service = args[0]
		}
		q.State, q.Fields = events.State(state), fieldsOf(*flags.output.format)
		list, err := client.Servers(cmd.Context(), q)
		if err != nil {
			return explain(err)
		}
		if asJSON {
			return writeJSON(cmd.OutOrStdout(), list)
		}
		warn(cmd, list.Mode, list.Complete)
		switch *flags.output.format {
		case formatName:
			return writeLines(cmd, list.Servers, (*events.Server).Key)
		case formatAddr:
			return writeLines(cmd, list.Servers, func(s *events.Server) string { return s.Addr })
		}
		return writeServers(cmd, list)
	}
	return cmd
}

// Formats with one line for each server.
const (
	formatName = "name" // SERVICE/ID
	formatAddr = "addr" // the address
)

// fieldsOf returns the members of the servers that a format needs, or nil if it needs all.
func fieldsOf(format string) []string {
	switch format {
	case formatName:
		return []string{"service", "id"}
	case formatAddr:
		return []string{"addr"}
	}
	return nil
}

func writeLines(cmd *cobra.Command, servers []*events.Server, line func(*events.Server) string) error {
	w := bufio.NewWriter(cmd.OutOrStdout())
	for _, s := range servers {
		fmt.Fprintln(w, terminal.Escape(line(s)))
	}
	return w.Flush()
}

func addComplete(cmd *cobra.Command, complete *bool) {
	cmd.Flags().BoolVar(complete, "complete", false, "fail while the registry of the API server may lack servers")
}

// warn writes to standard error why a list may be outdated or incomplete.
func warn(cmd *cobra.Command, mode registry.Mode, complete bool) {
	if mode == registry.ModeBlind || mode == registry.ModeHolding {
		fmt.Fprintf(cmd.ErrOrStderr(), "rollcall: the API server is in mode %s, so the list may contain servers that are gone; see rollcall status\n", mode)
	}
	if !complete {
		fmt.Fprintln(cmd.ErrOrStderr(), "rollcall: the list may lack servers, because the API server has not received heartbeats for long enough; see rollcall status")
	}
}

func writeServers(cmd *cobra.Command, list *apiserver.ServerList) error {
	w := cmd.OutOrStdout()
	now := list.Time
	if now.IsZero() { // an older API server does not state the time
		now = time.Now()
	}
	table := newTable(w)
	fmt.Fprintf(table, "SERVICE\tID\tADDRESS\t%s\tWEIGHT\tZONE\tVERSION\tLAST SEEN\tVIA\n", paint(w, "STATE"))
	for _, s := range list.Servers {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%d\t%s\t%s\t%s\t%s\n",
			s.Service, terminal.Escape(s.ID), s.Addr, paint(w, s.State), s.Weight, dash(s.Zone), dash(s.Version), lastSeen(s, now), terminal.Escape(s.Via))
	}
	return table.Flush()
}

// lastSeen formats the time of the last heartbeat and, if there is one, of the last successful probe. It does not use the age of the lease,
// because that age does not grow while no message can arrive.
func lastSeen(s *events.Server, now time.Time) string {
	text := ago(s.LastSeen, now)
	if !s.LastProbe.IsZero() {
		text += ", probed " + ago(s.LastProbe, now)
	}
	return text
}

func ago(then, now time.Time) string {
	return fmt.Sprintf("%v ago", max(0, now.Sub(then)).Round(100*time.Millisecond))
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return terminal.Escape(s)
}
