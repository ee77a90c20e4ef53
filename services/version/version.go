// Package version knows the version of this program.
package version

import "runtime/debug"

// version is set by the linker, where neither a module nor a repository tells it: in an image.
var version string

// String is the one set by the linker, or that of the module, or the revision it was built from, or "devel".
func String() string {
	if version != "" {
		return version
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "devel"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 {
			return "devel-" + s.Value[:12]
		}
	}
	return "devel"
}
