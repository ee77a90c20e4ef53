package layout

import (
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"rollcall/integration/fixture"
	"rollcall/services/config"
)

var (
	shellBlock = regexp.MustCompile("(?ms)^ *```(?:sh|console|bash)\n(.*?)^ *```$")
	goCommand  = regexp.MustCompile(`^go (test|run|build|vet) `)
	ourCommand = regexp.MustCompile(`(?:^|[ |&;(])(?:/tmp/)?(?:go run \./services/)?rollcall ([a-z]+)(.*)`)
	ourFlag    = regexp.MustCompile(`--([a-z]+\.[a-z.]+)`)
	testFlag   = regexp.MustCompile(`-(run|bench|fuzz)[ =]('[^']*'|\S+)`)
	useLine    = regexp.MustCompile(`(?m)^\s*Use:\s+"(\w+)`)
	testName   = regexp.MustCompile(`^(Test|Benchmark|Fuzz|Example)`)
)

// commands returns the lines of the shell blocks of a document, and its inline code.
func commands(text string) []string {
	var lines []string
	for _, block := range shellBlock.FindAllStringSubmatch(text, -1) {
		lines = append(lines, strings.Split(strings.ReplaceAll(block[1], "\\\n", " "), "\n")...)
	}
	for _, span := range inline.FindAllStringSubmatch(fenced.ReplaceAllString(text, ""), -1) {
		lines = append(lines, span[1])
	}
	return lines
}

func TestDocsCommandsExist(t *testing.T) {
	verbs, keys := mustVerbs(t), make(map[string]bool)
	for _, k := range config.Keys() {
		keys[k.Path] = true
	}
	for name, text := range mustDocuments(t) {
		if name == "CHANGELOG.md" {
			continue // the changelog names things that no longer exist
		}
		for _, line := range commands(text) {
			line = strings.TrimSpace(line)
			if goCommand.MatchString(line) {
				checkGoCommand(t, name, line)
			}
			for _, m := range ourCommand.FindAllStringSubmatch(line, -1) {
				if !slices.Contains(verbs, m[1]) {
					t.Errorf("%s: %q: rollcall has no command %s", name, line, m[1])
				}
				for _, flag := range ourFlag.FindAllStringSubmatch(m[2], -1) {
					if !keys[flag[1]] {
						t.Errorf("%s: %q: there is no configuration key %s", name, line, flag[1])
					}
				}
			}
		}
	}
}

// checkGoCommand fails the test if a go command names a package that does not exist, or if its pattern of tests or benchmarks matches none
// in the named packages.
func checkGoCommand(t *testing.T, document, line string) {
	t.Helper()
	line, _, _ = strings.Cut(line, " #")
	var folders []string
	for _, arg := range strings.Fields(line) {
		if !strings.HasPrefix(arg, "./") {
			continue
		}
		path, all := strings.CutSuffix(arg, "/...")
		found, err := filepath.Glob(filepath.Join(fixture.Root(t), path))
		if err != nil || len(found) == 0 {
			t.Errorf("%s: %q: %s does not exist", document, line, arg)
		}
		if !all {
			folders = append(folders, found...)
		}
	}
	for _, m := range testFlag.FindAllStringSubmatch(line, -1) {
		pattern := strings.Trim(m[2], "'")
		if pattern == "^$" || pattern == "." || len(folders) == 0 {
			continue
		}
		first, _, _ := strings.Cut(pattern, "/")
		form, err := regexp.Compile(first)
		if err != nil {
			t.Errorf("%s: %q: %v", document, line, err)
			continue
		}
		if !slices.ContainsFunc(mustTestNames(t, folders), form.MatchString) {
			t.Errorf("%s: %q: %s matches no test", document, line, pattern)
		}
	}
}

// mustTestNames returns the names of the tests, benchmarks, fuzz targets and examples in some folders.
func mustTestNames(t *testing.T, folders []string) []string {
	t.Helper()
	var names []string
	for _, folder := range folders {
		files, err := filepath.Glob(filepath.Join(folder, "*_test.go"))
		fixture.Must(t, err)
		for _, name := range files {
			file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
			fixture.Must(t, err)
			for name := range file.Scope.Objects {
				if testName.MatchString(name) {
					names = append(names, name)
				}
			}
		}
	}
	return names
}

// mustVerbs returns the commands of rollcall.
func mustVerbs(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(fixture.Root(t), "services/rollcall/*.go"))
	fixture.Must(t, err)
	verbs := []string{"help", "completion"}
	for _, name := range files {
		relative, err := filepath.Rel(fixture.Root(t), name)
		fixture.Must(t, err)
		for _, m := range useLine.FindAllSubmatch(fixture.File(t, relative), -1) {
			verbs = append(verbs, string(m[1]))
		}
	}
	if len(verbs) < 10 {
		t.Fatalf("found only the commands %v", verbs)
	}
	return verbs
}
