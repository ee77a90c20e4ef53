package main

import (
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
		Short: "List the servers, or those of one service",
		Args:  between(0, 1, "at most a SERVICE"),
	}
	flags := addAsked(cmd)
	f := cmd.Flags()
	f.StringVar(&q.Service, "service", "", "only this service; the same as SERVICE")
	f.StringVar(&state, "state", "", "only those in this state: alive, suspect or draining")
	f.StringVar(&q.Zone, "zone", "", "only those of this zone")
	f.StringSliceVar(&q.Tags, "tag", nil, "only those with this tag; may be given again")
	f.StringToStringVar(&q.Meta, "meta", nil, "only those with this metadata, key=value")
	addComplete(cmd, &q.Complete)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		client, asJSON, err := flags.read()
		if err != nil {
			return err
		}
		if len(args) == 1 {
			if q.Service != "" && q.Service != args[0] {
				return usageError{fmt.Errorf("SERVICE is %q and --service %q: want one of them", args[0], q.Service)}
			}
			q.Service = args[0]
		}
		q.State = events.State(state)
		list, err := client.Servers(cmd.Context(), q)
		if err != nil {
			return explain(err)
		}
		if asJSON {
			return writeJSON(cmd.OutOrStdout(), list)
		}
		warn(cmd, list.Mode, list.Complete)
		return writeServers(cmd, list)
	}
	return cmd
}

func addComplete(cmd *cobra.Command, complete *bool) {
	cmd.Flags().BoolVar(complete, "complete", false, "fail while the API server may not know every server yet")
}

// warn tells on standard error what may be wrong with a list.
func warn(cmd *cobra.Command, mode registry.Mode, complete bool) {
	if mode == registry.ModeBlind || mode == registry.ModeHolding {
		fmt.Fprintf(cmd.ErrOrStderr(), "rollcall: the API server is %s, so the list may have servers that are gone; rollcall status tells why\n", mode)
	}
	if !complete {
		fmt.Fprintln(cmd.ErrOrStderr(), "rollcall: the list may lack servers, because the API server has not heard every server yet; see rollcall status")
	}
}

func writeServers(cmd *cobra.Command, list *apiserver.ServerList) error {
	w := cmd.OutOrStdout()
	now := list.Time
	if now.IsZero() { // of an API server that does not state it
		now = time.Now()
	}
	table := newTable(w)
	fmt.Fprintf(table, "SERVICE\tID\tADDRESS\t%s\tWEIGHT\tZONE\tVERSION\tSEEN\tVIA\n", paint(w, "STATE"))
	for _, s := range list.Servers {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%d\t%s\t%s\t%s\t%s\n",
			s.Service, terminal.Escape(s.ID), s.Addr, paint(w, s.State), s.Weight, dash(s.Zone), dash(s.Version), seen(s, now), terminal.Escape(s.Via))
	}
	return table.Flush()
}

// seen is how long before now the newest heartbeat was published, and the answer to a probe since then. The age of the
// lease is neither: it stands still while nothing can be heard.
func seen(s *events.Server, now time.Time) string {
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
