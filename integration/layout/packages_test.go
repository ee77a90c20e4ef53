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

// listed is a package as the command "go list" prints it.
type listed struct {
	ImportPath   string
	Dir          string
	Doc          string
	Imports      []string
	TestImports  []string
	XTestImports []string
	GoFiles      []string
}

// path is the folder of the package.
func (p listed) path() string { return strings.TrimPrefix(p.ImportPath, module) }

// mustPackages returns every package of the repository.
func mustPackages(t *testing.T) []listed {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Dir,Doc,Imports,TestImports,XTestImports,GoFiles", "./...")
	cmd.Dir = fixture.Root(t)
	out, err := cmd.Output()
	fixture.Must(t, err)
	var packages []listed
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		packages = append(packages, p)
	}
	if len(packages) < 10 {
		t.Fatalf("go list prints %d packages", len(packages))
	}
	return packages
}

// mustTracked returns the files of the repository as git lists them, or the entries of its top folder where git is missing.
func mustTracked(t *testing.T) []string {
	t.Helper()
	root := fixture.Root(t)
	cmd := exec.Command("git", "ls-files", "--cached", "--others", "--exclude-standard")
	cmd.Dir = root
	if out, err := cmd.Output(); err == nil {
		return strings.Fields(string(out))
	}
	entries, err := os.ReadDir(root)
	fixture.Must(t, err)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// hasTestDoc reports whether a test file has the package comment. go list prints no comment for a package that has only test files.
func hasTestDoc(t *testing.T, dir string) bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	fixture.Must(t, err)
	return slices.ContainsFunc(files, func(f string) bool {
		parsed, err := parser.ParseFile(token.NewFileSet(), f, nil, parser.ParseComments|parser.PackageClauseOnly)
		return err == nil && parsed.Doc != nil
	})
}

func mustLines(t *testing.T, path string) int {
	t.Helper()
	b, err := os.ReadFile(path)
	fixture.Must(t, err)
	return bytes.Count(b, []byte("\n"))
}
