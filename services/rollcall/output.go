package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"rollcall/events"
)

// output is the flag -o.
type output struct {
	format  *string
	formats []string
}

// addOutput adds the flag -o with the formats text and json, and the parameter more.
func addOutput(cmd *cobra.Command, more ...string) output {
	o := output{formats: append([]string{"text", "json"}, more...)}
	o.format = cmd.Flags().StringP("output", "o", "text", "output format: "+o.choices())
	return o
}

func (o output) choices() string {
	last := len(o.formats) - 1
	return strings.Join(o.formats[:last], ", ") + " or " + o.formats[last]
}

func (o output) isJSON() (bool, error) {
	if !slices.Contains(o.formats, *o.format) {
		return false, usageError{fmt.Errorf("--output %q: want %s", *o.format, o.choices())}
	}
	return *o.format == "json", nil
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
