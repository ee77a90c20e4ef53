package layout

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"rollcall/integration/fixture"
)

var (
	link   = regexp.MustCompile(`\[[^\]]*\]\(([^)\s]+)\)`)
	fenced = regexp.MustCompile("(?ms)^ *```.*?^ *```$")
	inline = regexp.MustCompile("`([^`\n]+)`")
	// path matches text that can only be a path of this repository.
	path = regexp.MustCompile(`^(events|pipeline|stages|services|integration)(/[\w.*-]+)*/?$`)
)

// mustDocuments returns the text of every Markdown file, by its path.
func mustDocuments(t *testing.T) map[string]string {
	t.Helper()
	documents := make(map[string]string)
	for _, name := range mustTracked(t) {
		if strings.HasSuffix(name, ".md") {
			documents[name] = string(fixture.File(t, name))
		}
	}
	if len(documents) < 5 {
		t.Fatalf("found %d documents", len(documents))
	}
	return documents
}

func TestDocsLinksLeadSomewhere(t *testing.T) {
	documents := mustDocuments(t)
	for name, text := range documents {
		for _, match := range link.FindAllStringSubmatch(fenced.ReplaceAllString(text, ""), -1) {
			target, anchor, _ := strings.Cut(match[1], "#")
			if strings.Contains(target, "://") {
				continue
			}
			file := name
			if target != "" {
				file = filepath.Join(filepath.Dir(name), target)
			}
			if _, err := os.Stat(filepath.Join(fixture.Root(t), file)); err != nil {
				t.Errorf("%s links to %s, which does not exist", name, match[1])
			} else if anchor != "" && !hasHeading(documents[file], anchor) {
				t.Errorf("%s links to %s, but %s has no such heading", name, match[1], file)
			}
		}
	}
}

func TestDocsPathsExist(t *testing.T) {
	for name, text := range mustDocuments(t) {
		if name == "CHANGELOG.md" {
			continue // the changelog names things that no longer exist
		}
		for _, span := range inline.FindAllStringSubmatch(fenced.ReplaceAllString(text, ""), -1) {
			if !path.MatchString(span[1]) {
				continue
			}
			if found, err := filepath.Glob(filepath.Join(fixture.Root(t), span[1])); err != nil || len(found) == 0 {
				t.Errorf("%s names %s, which does not exist", name, span[1])
			}
		}
	}
}

func TestDocsTestsExist(t *testing.T) {
	var folders []string
	for _, p := range mustPackages(t) {
		folders = append(folders, p.Dir)
	}
	names := mustTestNames(t, folders)
	for document, content := range mustDocuments(t) {
		for _, span := range inline.FindAllStringSubmatch(fenced.ReplaceAllString(content, ""), -1) {
			if testName.MatchString(span[1]) && regexp.MustCompile(`^\w+$`).MatchString(span[1]) && !slices.Contains(names, span[1]) {
				t.Errorf("%s names %s, which does not exist", document, span[1])
			}
		}
	}
}

// hasHeading reports whether a Markdown text has a heading to which GitHub gives this anchor.
func hasHeading(text, anchor string) bool {
	for line := range strings.Lines(fenced.ReplaceAllString(text, "")) {
		title := strings.TrimLeft(strings.TrimSpace(line), "#")
		if title == line || !strings.HasPrefix(line, "#") {
			continue
		}
		title = regexp.MustCompile(`[^\w\s-]`).ReplaceAllString(strings.ToLower(strings.TrimSpace(title)), "")
		if strings.ReplaceAll(title, " ", "-") == anchor {
			return true
		}
	}
	return false
}
