package prober

import (
	"bytes"
	"os"
	"path"
	"strconv"
	"strings"
	"sync"
	"time"
)

// throttleFile is the CPU statistics of the process's own cgroup: of version 2,
// or else of version 1; empty where there is none.
var throttleFile = sync.OnceValue(func() string {
	own, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(own)) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) != 3 {
			continue
		}
		root := ""
		switch {
		case parts[1] == "":
			root = "/sys/fs/cgroup"
		case strings.Contains(","+parts[1]+",", ",cpu,"):
			root = "/sys/fs/cgroup/cpu"
		default:
			continue
		}
		for _, file := range []string{path.Join(root, parts[2], "cpu.stat"), path.Join(root, "cpu.stat")} {
			if b, err := os.ReadFile(file); err == nil && bytes.Contains(b, []byte("throttled_")) {
				return file
			}
		}
	}
	return ""
})

// throttled is how long the process's cgroup was denied the CPU so far, by its
// CPU limit: what a container's host takes away, no figure in it shows.
func throttled() time.Duration {
	b, err := os.ReadFile(throttleFile())
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(b)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil {
			continue
		}
		switch name {
		case "throttled_usec": // version 2
			return time.Duration(n) * time.Microsecond
		case "throttled_time": // version 1
			return time.Duration(n)
		}
	}
	return 0
}
