package layout

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// module is the prefix of the import paths of this module.
const module = "rollcall/"

// topLevel lists what the top folder of the repository may hold, besides names that begin with a dot.
var topLevel = []string{
	"events", "pipeline", "stages", "services", "integration", "go.mod", "go.sum", "docker-compose.yml", "Dockerfile",
	"README.md", "LICENSE", "ARCHITECTURE.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "Makefile",
}

// mayImport maps the path of a package to the packages of this module that the package may import. If several paths match, the longest one
// counts.
var mayImport = map[string][]string{
	"events":                    {},
	"pipeline":                  {"events", "pipeline/nsqpubsub", "pipeline/outage", "pipeline/metric"},
	"pipeline/nsqpubsub":        {"pipeline/outage"},
	"pipeline/metric":           {},
	"stages":                    {"events", "pipeline"},
	"services/registry":         {"events", "services/check"},
	"services/balancer":         {"events", "services/check"},
	"services/check":            {},
	"services/problem":          {},
	"services/label":            {},
	"services/connlimit":        {},
	"services/proxy":            {"events", "services/registry", "services/balancer", "services/dial", "services/label", "services/check", "services/connlimit", "services/problem", "services/proxy/clientconn", "services/proxy/upstream", "pipeline/metric"},
	"services/proxy/clientconn": {},
	"services/proxy/upstream":   {"services/registry", "services/dial"},
	"services/prober":           {"events", "services/registry", "services/dial", "services/check", "pipeline/metric"},
	"services/dial":             {"services/registry"},
	"services/canary":           {"events", "pipeline/nsqpubsub", "services/check", "pipeline/metric"},
	"services/snapshot":         {"services/registry", "pipeline/metric"},
	"services/apiserver":        {"events", "services/registry", "services/balancer", "services/label", "services/connlimit", "services/problem"},
	"services/dataserver":       {"events", "pipeline/nsqpubsub"},
	"services/subscriber":       {"events", "pipeline/nsqpubsub", "services/check"},
	"services/embednsq":         {},
	"services/config": {
		"events", "pipeline/nsqpubsub", "services/balancer", "services/check", "services/dataserver", "services/prober", "services/proxy",
		"services/registry", "services/snapshot", "services/version",
	},
	"services/demo": {
		"events", "services/app", "services/balancer", "services/check", "services/config", "services/dataserver", "services/embednsq",
		"services/subscriber", "services/supervisor", "services/terminal", "services/version",
	},
	"services/registrylog": {"services/registry"},
	"services/silence":     {"pipeline/nsqpubsub", "services/registry"},
	"services/supervisor":  {},
	"services/terminal":    {"events"},
	"services/version":     {},
	"services/app":         {"events", "pipeline", "pipeline/metric", "pipeline/nsqpubsub", "pipeline/outage", "stages", "services"},
	"services/rollcall":    {"events", "pipeline/nsqpubsub", "services"},
	"integration":          {"events", "pipeline", "pipeline/nsqpubsub", "stages", "services", "integration/fixture"},
	"integration/fixture":  {"services/embednsq"},
}

// onlyIn maps the path of a third-party module to the only folders that may import it.
var onlyIn = map[string][]string{
	"github.com/nsqio/go-nsq":            {"pipeline/nsqpubsub"},
	"github.com/nsqio/nsq":               {"services/embednsq", "integration/harness"},
	"github.com/ThreeDotsLabs/watermill": {"pipeline"},
}

// maxLines is the maximum number of lines of a Go file that is not a test.
const maxLines = 300

func TestLayout(t *testing.T) {
	t.Run("the top folder holds no other files", func(t *testing.T) {
		for _, name := range mustTracked(t) {
			top, _, _ := strings.Cut(name, "/")
			if !strings.HasPrefix(top, ".") && !slices.Contains(topLevel, top) {
				t.Errorf("%s: %s does not belong in the top folder", name, top)
			}
		}
	})
	for _, p := range mustPackages(t) {
		t.Run(p.path(), func(t *testing.T) {
			if p.Doc == "" && !hasTestDoc(t, p.Dir) {
				t.Error("the package has no comment")
			}
			checkImports(t, p)
			for _, f := range p.GoFiles {
				if n := mustLines(t, filepath.Join(p.Dir, f)); n > maxLines {
					t.Errorf("%s has %d lines, want at most %d", f, n, maxLines)
				}
			}
		})
	}
}

func checkImports(t *testing.T, p listed) {
	t.Helper()
	path := p.path()
	rule, ok := longest(mayImport, path)
	if !ok {
		t.Fatalf("mayImport has no rule for %s", path)
	}
	for _, imp := range p.Imports {
		if ours, ok := strings.CutPrefix(imp, module); ok && !allows(rule, ours) {
			t.Errorf("imports %s; it may import %v", ours, rule)
		}
		if folders, ok := longest(onlyIn, imp); ok && !slices.ContainsFunc(folders, func(f string) bool { return within(path, f) }) {
			t.Errorf("imports %s, which only %v may", imp, folders)
		}
		if path == "events" && strings.Contains(imp, ".") && !within(imp, "github.com/go-json-experiment/json") {
			t.Errorf("events imports %s; it may import only the standard library and encoding/json/v2 under its experimental name", imp)
		}
	}
	for _, imp := range slices.Concat(p.TestImports, p.XTestImports) {
		ours := strings.TrimPrefix(imp, module)
		if within(ours, "integration") && ours != "integration/fixture" && !within(path, "integration") {
			t.Errorf("its tests import %s; of integration they may import only integration/fixture", ours)
		}
	}
}

// allows reports whether a rule allows the import of a package. The entry "services" includes its subfolders, any other entry does not.
func allows(rule []string, path string) bool {
	return slices.ContainsFunc(rule, func(r string) bool {
		return path == r || r == "services" && within(path, r)
	})
}

func within(path, folder string) bool { return path == folder || strings.HasPrefix(path, folder+"/") }

// longest returns the rule whose key is the longest prefix of path. It reports false if no key is a prefix.
func longest(rules map[string][]string, path string) ([]string, bool) {
	best, found := "", false
	for prefix := range rules {
		if within(path, prefix) && len(prefix) >= len(best) {
			best, found = prefix, true
		}
	}
	return rules[best], found
}
