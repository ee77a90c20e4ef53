package app

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// dump maps each path in a graph of values, such as .proxy.cfg.Drain, to the value there. It follows pointers, interfaces and unexported
// fields, but not functions.
type dump map[string]string

func dumpOf(roots ...any) dump {
	w := walker{dump: make(dump), seen: make(map[visit]bool)}
	for _, root := range roots {
		w.walk(fmt.Sprintf("%T", root), reflect.ValueOf(root))
	}
	return w.dump
}

// visit identifies a pointer that has been followed. A struct and its first field have the same address, so the type is needed too.
type visit struct {
	addr uintptr
	kind reflect.Type
}

type walker struct {
	dump dump
	seen map[visit]bool
}

// maxElements is the length of the longest slice or array whose elements are dumped. Longer ones are tables of counters.
const maxElements = 256

// opaque lists prefixes of package paths. Types of these packages are skipped: they are large and do not depend on the configuration.
var opaque = []string{"internal/", "reflect", "runtime", "sync", "unicode", "google.golang.org/protobuf", "github.com/prometheus", "net/http/internal"}

func (w *walker) walk(path string, v reflect.Value) {
	if !v.IsValid() || slices.ContainsFunc(opaque, func(p string) bool {
		return strings.HasPrefix(v.Type().PkgPath(), p) && v.Type().PkgPath() != "sync/atomic"
	}) {
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() || w.seen[visit{v.Pointer(), v.Type()}] {
			return
		}
		w.seen[visit{v.Pointer(), v.Type()}] = true
		w.dump[path] = "set"
		w.walk(path, v.Elem())
	case reflect.Interface:
		if !v.IsNil() {
			w.walk(path+"("+v.Elem().Type().String()+")", v.Elem())
		}
	case reflect.Struct:
		for i := range v.NumField() {
			w.walk(path+"."+v.Type().Field(i).Name, v.Field(i))
		}
	case reflect.Slice, reflect.Array:
		w.dump[path+".len"] = fmt.Sprint(v.Len())
		if v.Type().Elem().Kind() == reflect.Uint8 {
			w.dump[path] = fmt.Sprint(v)
		} else if v.Len() <= maxElements {
			for i := range v.Len() {
				w.walk(fmt.Sprintf("%s[%d]", path, i), v.Index(i))
			}
		}
	case reflect.Map:
		w.dump[path+".len"] = fmt.Sprint(v.Len())
		entries := make(map[string]reflect.Value)
		for _, k := range v.MapKeys() {
			entries[fmt.Sprintf("%s[%v]", path, k)] = v.MapIndex(k)
		}
		for _, entry := range slices.Sorted(maps.Keys(entries)) { // sorted, because a value is dumped only at the first path to it
			w.walk(entry, entries[entry])
		}
	case reflect.Chan:
		w.dump[path+".cap"] = fmt.Sprint(v.Cap()) // some limits are the capacity of a channel
	case reflect.Bool, reflect.String, reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Float32, reflect.Float64:
		w.dump[path] = fmt.Sprint(v)
	}
}

// difference returns, sorted, the paths at which the two dumps differ, except for the paths in the slice ignored.
func (d dump) difference(other dump, ignored []string) []string {
	var paths []string
	for path := range d {
		if value, ok := other[path]; !ok || value != d[path] {
			paths = append(paths, path)
		}
	}
	for path := range other {
		if _, ok := d[path]; !ok {
			paths = append(paths, path)
		}
	}
	skip := make(map[string]bool)
	for _, path := range ignored {
		skip[path] = true
	}
	paths = slices.DeleteFunc(paths, func(p string) bool { return skip[p] })
	slices.Sort(paths)
	return slices.Compact(paths)
}
