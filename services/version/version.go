// Package version reports the version of the program.
package version

import "runtime/debug"

// version is set by the linker for container images, which are built without a repository.
var version string

// String returns the version set by the linker, else the version of the module, else the revision of the repository, else "devel".
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
