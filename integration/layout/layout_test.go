package layout

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/parser"
	"go/token"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"rollcall/integration/fixture"
)

const module = "rollcall/"

// topLevel is all that the repository's root may hold, beside files whose name begins with a dot.
var topLevel = []string{
	"events", "pipeline", "stages", "services", "integration", "go.mod", "go.sum", "docker-compose.yml", "Dockerfile",
	"README.md", "LICENSE", "ARCHITECTURE.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "Makefile",
}

// mayImport says which packages of ours a package may import, by the longest prefix that matches.
var mayImport = map[string][]string{
	"events":                    {},
	"pipeline":                  {"events", "pipeline/nsqpubsub", "pipeline/outage"},
	"pipeline/nsqpubsub":        {"pipeline/outage"},
	"stages":                    {"events", "pipeline"},
	"services/registry":         {"events"},
	"services/balancer":         {"events", "services/check"},
	"services/check":            {},
	"services/problem":          {},
	"services/label":            {},
	"services/connlimit":        {},
	"services/proxy":            {"events", "services/registry", "services/balancer", "services/dial", "services/label", "services/check", "services/connlimit", "services/problem", "services/proxy/clientconn", "services/proxy/upstream"},
	"services/proxy/clientconn": {},
	"services/proxy/upstream":   {"services/registry", "services/dial"},
	"services/prober":           {"events", "services/registry", "services/dial"},
	"services/dial":             {"services/registry"},
	"services/canary":           {"events", "pipeline/nsqpubsub"},
	"services/snapshot":         {"services/registry"},
	"services/apiserver":        {"events", "services/registry", "services/balancer", "services/label", "services/connlimit", "services/problem"},
	"services/dataserver":       {"events", "pipeline/nsqpubsub"},
	"services/subscriber":       {"events", "pipeline/nsqpubsub"},
	"services/embednsq":         {},
	"services/config": {
		"events", "pipeline/nsqpubsub", "services/balancer", "services/check", "services/dataserver", "services/prober", "services/proxy",
		"services/registry", "services/snapshot", "services/version",
	},
	"services/demo": {
		"events", "services/app", "services/balancer", "services/check", "services/config", "services/dataserver", "services/embednsq",
		"services/subscriber", "services/supervisor", "services/terminal", "services/version",
	},
	"services/supervisor": {},
	"services/terminal":   {"events"},
	"services/version":    {},
	"services/app":        {"events", "pipeline", "pipeline/nsqpubsub", "pipeline/outage", "stages", "services"},
	"services/rollcall":   {"events", "pipeline/nsqpubsub", "services"},
	"integration":         {"events", "pipeline", "pipeline/nsqpubsub", "stages", "services", "integration/fixture"},
	"integration/fixture": {"services/embednsq"},
}

// onlyIn says where alone a module of others may be imported.
var onlyIn = map[string][]string{
	"github.com/nsqio/go-nsq":            {"pipeline/nsqpubsub"},
	"github.com/nsqio/nsq":               {"services/embednsq", "integration/harness"},
	"github.com/ThreeDotsLabs/watermill": {"pipeline", "services/app"},
}

type listed struct {
	ImportPath string
	Name       string
	Dir        string
	Doc        string
	Imports    []string
	GoFiles    []string
}

func TestLayout(t *testing.T) {
	root := fixture.Root(t)
	pkgs := mustList(t, root)

	t.Run("the top level holds what the README says", func(t *testing.T) {
		for _, name := range mustTracked(t, root) {
			top, _, _ := strings.Cut(name, "/")
			if !strings.HasPrefix(top, ".") && !slices.Contains(topLevel, top) {
				t.Errorf("%s: %s does not belong at the top level", name, top)
			}
		}
	})
	for _, p := range pkgs {
		path := strings.TrimPrefix(p.ImportPath, module)
		t.Run(path, func(t *testing.T) {
			if p.Doc == "" && !hasTestDoc(t, p.Dir) {
				t.Error("the package has no doc comment")
			}
			checkImports(t, path, p.Imports)
			for _, f := range p.GoFiles {
				if n := mustLines(t, filepath.Join(p.Dir, f)); n > 400 {
					t.Errorf("%s has %d lines: two ideas in one file?", f, n)
				}
			}
		})
	}
}

func checkImports(t *testing.T, path string, imports []string) {
	t.Helper()
	rule, ok := longest(mayImport, path)
	if !ok {
		t.Fatalf("no rule says what %s may import", path)
	}
	for _, imp := range imports {
		if ours, ok := strings.CutPrefix(imp, module); ok && !allows(rule, ours) {
			t.Errorf("imports %s; it may import %v", ours, rule)
		}
		if where, ok := longest(onlyIn, imp); ok && !slices.ContainsFunc(where, func(w string) bool { return within(path, w) }) {
			t.Errorf("imports %s, which only %v may", imp, where)
		}
	}
	if path == "events" {
		for _, imp := range imports {
			if strings.Contains(imp, ".") && !within(imp, "github.com/go-json-experiment/json") {
				t.Errorf("events imports %s; it may import the standard library and the JSON that is to become part of it", imp)
			}
		}
	}
}

// allows: an entry stands for its subfolders too only where it is services or pipeline as a whole.
func allows(rule []string, path string) bool {
	return slices.ContainsFunc(rule, func(r string) bool {
		return path == r || r == "services" && within(path, r)
	})
}

func within(path, folder string) bool { return path == folder || strings.HasPrefix(path, folder+"/") }

func longest(rules map[string][]string, path string) ([]string, bool) {
	best, found := "", false
	for prefix := range rules {
		if within(path, prefix) && len(prefix) >= len(best) {
			best, found = prefix, true
		}
	}
	return rules[best], found
}

func mustList(t *testing.T, root string) []listed {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Name,Dir,Doc,Imports,GoFiles", "./...")
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var pkgs []listed
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		pkgs = append(pkgs, p)
	}
	if len(pkgs) < 10 {
		t.Fatalf("go list names %d packages", len(pkgs))
	}
	return pkgs
}

// mustTracked lists the files of the repository, by git where there is one.
func mustTracked(t *testing.T, root string) []string {
	t.Helper()
	cmd := exec.Command("git", "ls-files", "--cached", "--others", "--exclude-standard")
	cmd.Dir = root
	out, err := cmd.Output()
	if err == nil {
		return strings.Fields(string(out))
	}
	entries, err := os.ReadDir(root)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// hasTestDoc is for a package of test files alone, whose doc go list does not tell.
func hasTestDoc(t *testing.T, dir string) bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	return slices.ContainsFunc(files, func(f string) bool {
		parsed, err := parser.ParseFile(token.NewFileSet(), f, nil, parser.ParseComments|parser.PackageClauseOnly)
		return err == nil && parsed.Doc != nil
	})
}

func mustLines(t *testing.T, path string) int {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Count(b, []byte("\n"))
}
