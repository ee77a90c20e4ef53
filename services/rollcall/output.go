package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"rollcall/events"
)

// output is the flag -o.
type output struct{ format *string }

func addOutput(cmd *cobra.Command) output {
	return output{cmd.Flags().StringP("output", "o", "text", "output format: text or json")}
}

func (o output) isJSON() (bool, error) {
	switch *o.format {
	case "text":
		return false, nil
	case "json":
		return true, nil
	}
	return false, usageError{fmt.Errorf("--output %q: want text or json", *o.format)}
}

func writeJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

func newTable(w io.Writer) *tabwriter.Writer { return tabwriter.NewWriter(w, 0, 0, 2, ' ', 0) }

// paint colors a state if w is a terminal and NO_COLOR is not set. All codes have the same length, which keeps the columns of a table
// aligned.
func paint(w io.Writer, s events.State) string {
	file, ok := w.(*os.File)
	if !ok || os.Getenv("NO_COLOR") != "" {
		return string(s)
	}
	if info, err := file.Stat(); err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return string(s)
	}
	code := 39 // default color
	switch s {
	case events.StateAlive:
		code = 32
	case events.StateSuspect:
		code = 33
	case events.StateDraining:
		code = 36
	}
	return fmt.Sprintf("\x1b[%dm%s\x1b[39m", code, s)
}
