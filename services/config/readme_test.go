package config_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"rollcall/services/config"
)

var update = flag.Bool("update", false, "rewrite the configuration table")

// readmeTable returns a Markdown table of all keys.
func readmeTable() string {
	var b strings.Builder
	b.WriteString("| key | environment | default | meaning |\n|---|---|---|---|\n")
	for _, k := range config.Keys() {
		byDefault := k.DefaultText()
		if byDefault != "" {
			byDefault = "`" + byDefault + "`"
		}
		fmt.Fprintf(&b, "| `%s` | `%s` | %s | %s |\n", k.Path, k.Env(), byDefault, strings.ReplaceAll(k.Doc, "|", `\|`))
	}
	return b.String()
}

func TestREADMEListsTheKeys(t *testing.T) {
	const begin, end = "<!-- config -->\n", "<!-- /config -->"
	file := filepath.Join("..", "app", "README.md")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, begun := strings.Cut(string(text), begin)
	got, after, ended := strings.Cut(rest, end)
	if !begun || !ended {
		t.Fatalf("%s: want a section between %q and %q", file, begin, end)
	}
	want := readmeTable()
	if *update {
		if err := os.WriteFile(file, []byte(before+begin+want+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
		got = want
	}
	if got != want {
		t.Errorf("%s: go test ./services/config -update writes\n%s", file, want)
	}
}
