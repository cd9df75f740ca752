package service

import (
	"runtime/debug"
)

// version is set when releases are built:
//
//	go build -ldflags '-X tinytwamp/shared/service.version=v1.2.3'
var version string

// Version returns the version of this program: the one that it was linked
// with, else what Go knows of the module and its repository, else "devel".
func Version() string {
	if version != "" {
		return version
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "devel"
	}
	return builtVersion(info)
}

// builtVersion reads the version out of what the Go command wrote into the
// binary.
func builtVersion(info *debug.BuildInfo) string {
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	vcs := map[string]string{}
	for _, s := range info.Settings {
		vcs[s.Key] = s.Value
	}
	v := "devel"
	if rev := vcs["vcs.revision"]; rev != "" {
		v += "-" + rev[:min(len(rev), 12)] // as many digits as in Go's pseudo-versions
	}
	if vcs["vcs.modified"] == "true" {
		v += "+dirty"
	}
	return v
}
