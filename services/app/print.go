package app

import (
	"fmt"
	"strings"

	"rollcall/events"
)

// EventLine is an event in one line for people.
func EventLine(e events.Event) string {
	d := e.Details()
	if m, ok := e.(events.ModeChanged); ok {
		return fmt.Sprintf("%s  %-10s  %s: %s  (%s, revision %d of %s)", d.Time.Local().Format("15:04:05.000"), "mode", m.Mode, Printable(m.Detail), d.Cause, d.Revision, Printable(d.Observer))
	}
	if c, ok := e.(events.ConflictChanged); ok {
		return fmt.Sprintf("%s  %-10s  %s  (%s, revision %d of %s)", d.Time.Local().Format("15:04:05.000"), "conflict", Printable(c.Detail), d.Cause, d.Revision, Printable(d.Observer))
	}
	name := strings.TrimPrefix(string(e.Type()), "rollcall.server.")
	line := fmt.Sprintf("%s  %-10s  %s", d.Time.Local().Format("15:04:05.000"), name, Printable(d.Server.Key()))
	if d.Server.ID != d.Server.Addr {
		line += "  " + Printable(d.Server.Addr)
	}
	return fmt.Sprintf("%s  (%s, revision %d of %s)", line, d.Cause, d.Revision, Printable(d.Observer))
}
