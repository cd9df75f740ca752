package service

import (
	"runtime/debug"
	"testing"
)

func TestBuiltVersion(t *testing.T) {
	vcs := func(rev, modified string) []debug.BuildSetting {
		return []debug.BuildSetting{{Key: "vcs.revision", Value: rev}, {Key: "vcs.modified", Value: modified}}
	}
	tests := []struct {
		main     string
		settings []debug.BuildSetting
		want     string
	}{
		{"v1.2.3", vcs("0123456789abcdef", "false"), "v1.2.3"},
		{"(devel)", vcs("0123456789abcdef", "false"), "devel-0123456789ab"},
		{"", vcs("0123456789abcdef", "true"), "devel-0123456789ab+dirty"},
		{"(devel)", nil, "devel"},
	}
	for _, test := range tests {
		info := &debug.BuildInfo{Main: debug.Module{Version: test.main}, Settings: test.settings}
		if got := builtVersion(info); got != test.want {
			t.Errorf("%+v: got %s, want %s", test, got, test.want)
		}
	}
}

func TestLinkedVersion(t *testing.T) {
	defer func(v string) { version = v }(version)
	version = "v9.8.7"
	if got := Version(); got != "v9.8.7" {
		t.Errorf("got %s", got)
	}
}
