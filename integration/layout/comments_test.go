package layout

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"

	"rollcall/integration/fixture"
)

// TestLayoutExportedNamesHaveComments reads every Go file except tests. Some names need no comment of their own: names in a group that has
// a comment, constants of a type, error variables, and methods that implement an interface.
func TestLayoutExportedNamesHaveComments(t *testing.T) {
	set := token.NewFileSet()
	var files []*ast.File
	for _, p := range mustPackages(t) {
		for _, name := range p.GoFiles {
			file, err := parser.ParseFile(set, filepath.Join(p.Dir, name), nil, parser.ParseComments|parser.SkipObjectResolution)
			fixture.Must(t, err)
			files = append(files, file)
		}
	}
	documented := interfaceMethods(files)
	for _, file := range files {
		for _, d := range file.Decls {
			for _, name := range uncommented(d, documented) {
				t.Errorf("%s: %s is exported and has no comment", set.Position(name.Pos()), name.Name)
			}
		}
	}
}

// interfaceMethods returns the names of the methods that interfaces describe, in this module and in modules that it uses.
func interfaceMethods(files []*ast.File) map[string]bool {
	names := make(map[string]bool)
	for _, name := range []string{
		"String", "Error", "Unwrap", "Is", "ServeHTTP", "Write", "Read", "Close", "Accept", "Len", "Less", "Swap", "RoundTrip",
		"MarshalText", "UnmarshalText", "MarshalJSON", "UnmarshalJSON", "Marshal", "Unmarshal", "Describe", "Collect",
	} {
		names[name] = true
	}
	for _, file := range files {
		ast.Inspect(file, func(n ast.Node) bool {
			if i, ok := n.(*ast.InterfaceType); ok {
				for _, m := range i.Methods.List {
					for _, name := range m.Names {
						names[name.Name] = true
					}
				}
			}
			return true
		})
	}
	return names
}

// uncommented returns the exported names of a declaration that have no comment.
func uncommented(d ast.Decl, documented map[string]bool) []*ast.Ident {
	switch d := d.(type) {
	case *ast.FuncDecl:
		method := d.Recv != nil
		if d.Doc == nil && d.Name.IsExported() && (!method || exportedReceiver(d.Recv.List[0].Type) && !documented[d.Name.Name]) {
			return []*ast.Ident{d.Name}
		}
	case *ast.GenDecl:
		if d.Doc == nil {
			return uncommentedSpecs(d)
		}
	}
	return nil
}

func uncommentedSpecs(d *ast.GenDecl) []*ast.Ident {
	var names []*ast.Ident
	typed := false // whether the current constants have a type
	for _, s := range d.Specs {
		switch s := s.(type) {
		case *ast.TypeSpec:
			if s.Doc == nil && s.Comment == nil && s.Name.IsExported() {
				names = append(names, s.Name)
			}
		case *ast.ValueSpec:
			if s.Type != nil || len(s.Values) > 0 {
				typed = s.Type != nil && d.Tok == token.CONST
			}
			for _, n := range s.Names {
				isError := d.Tok == token.VAR && strings.HasPrefix(n.Name, "Err")
				if s.Doc == nil && s.Comment == nil && n.IsExported() && !typed && !isError {
					names = append(names, n)
				}
			}
		}
	}
	return names
}

func exportedReceiver(t ast.Expr) bool {
	switch t := t.(type) {
	case *ast.StarExpr:
		return exportedReceiver(t.X)
	case *ast.IndexExpr:
		return exportedReceiver(t.X)
	case *ast.Ident:
		return t.IsExported()
	}
	return false
}
