package terminal

import (
	"fmt"
	"strings"

	"rollcall/events"
)

// EventLine formats an event in one line. It escapes all text, because any program can publish events.
func EventLine(e events.Event) string {
	var text string
	d := e.Details()
	switch e := e.(type) {
	case events.ModeChanged:
		text = fmt.Sprintf("%-10s  %s: %s", "mode", e.Mode, e.Detail)
	case events.ConflictChanged:
		text = fmt.Sprintf("%-10s  %s", "conflict", e.Detail)
	default:
		text = fmt.Sprintf("%-10s  %s", strings.TrimPrefix(string(e.Type()), "rollcall.server."), d.Server.Key())
		if d.Server.ID != d.Server.Addr {
			text += "  " + d.Server.Addr
		}
	}
	return Escape(fmt.Sprintf("%s  %s  (%s, revision %d of %s)", d.Time.Local().Format("15:04:05.000"), text, d.Cause, d.Revision, d.Observer))
}
