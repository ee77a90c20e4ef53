package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"rollcall/services/registry"
	"rollcall/services/terminal"
)

func newGet() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "get SERVICE/ID",
		Short: "Show a server and the reason for its state",
		Args:  between(1, 1, "SERVICE/ID"),
	}
	flags := addQueryFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		service, id, ok := strings.Cut(args[0], "/")
		if !ok || service == "" || id == "" {
			return usageError{fmt.Errorf("%q: want SERVICE/ID", args[0])}
		}
		client, asJSON, err := flags.parse()
		if err != nil {
			return err
		}
		e, err := client.Server(cmd.Context(), service, id)
		if err != nil {
			return explain(err)
		}
		if asJSON {
			return writeJSON(cmd.OutOrStdout(), e)
		}
		return writeExplanation(cmd, e)
	}
	return cmd
}

func writeExplanation(cmd *cobra.Command, e *registry.Explanation) error {
	w := cmd.OutOrStdout()
	s := e.Server
	fmt.Fprintf(w, "%s  %s  %s\n%s\n\n", terminal.Escape(s.Key()), s.Addr, paint(w, s.State), terminal.Escape(e.Summary))

	table := newTable(w)
	row := func(name string, value any) { fmt.Fprintf(table, "  %s\t%v\n", name, value) }
	row("incarnation", s.Incarnation)
	row("interval, ttl", fmt.Sprintf("%v, %v", time.Duration(s.IntervalMS)*time.Millisecond, time.Duration(s.TTLMS)*time.Millisecond))
	row("weight", s.Weight)
	row("zone", dash(s.Zone))
	row("version", dash(s.Version))
	row("tags", dash(strings.Join(s.Tags, ", ")))
	for _, m := range s.Meta {
		row("meta "+terminal.Escape(m.Key), terminal.Escape(m.Value))
	}
	if s.Load != nil {
		row("requests in flight", s.Load.InFlight)
	}
	row("registered", s.RegisteredAt.Local().Format(time.DateTime))
	fmt.Fprintf(table, "\ntransitions\n")
	for _, c := range e.Transitions {
		row(c.Time.Local().Format("15:04:05.000"), fmt.Sprintf("%s\t%s", strings.TrimPrefix(string(c.Type), "rollcall.server."), c.Reason))
	}
	fmt.Fprintf(table, "\nlast heartbeats\n")
	for _, b := range e.Heartbeats {
		row(b.ReceivedAt.Local().Format("15:04:05.000"), fmt.Sprintf("seq %d\t%v in queue\t%s", b.Seq, time.Duration(b.DelayMS)*time.Millisecond, terminal.Escape(b.Via)))
	}
	if len(e.Probes) > 0 {
		fmt.Fprintf(table, "\nlast probes\n")
	}
	for _, p := range e.Probes {
		row(p.Time.Local().Format("15:04:05.000"), fmt.Sprintf("%s\tin %v\tby %s", p.Finding, time.Duration(p.TookMS)*time.Millisecond, p.Source))
	}
	return table.Flush()
}
