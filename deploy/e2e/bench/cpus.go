package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
)

// allowedCPUs are those that this process may run on. Elsewhere than on Linux
// nobody tells, and all are.
func allowedCPUs() ([]int, error) {
	if status, err := os.ReadFile("/proc/self/status"); err == nil {
		for line := range strings.Lines(string(status)) {
			if ranges, ok := strings.CutPrefix(line, "Cpus_allowed_list:"); ok {
				return parseCPUs(strings.TrimSpace(ranges))
			}
		}
	}
	var cpus []int
	for n := range runtime.NumCPU() {
		cpus = append(cpus, n)
	}
	return cpus, nil
}

// parseCPUs reads a list such as 0-2,5.
func parseCPUs(ranges string) (cpus []int, err error) {
	for _, r := range strings.Split(ranges, ",") {
		first, last, isRange := strings.Cut(r, "-")
		if !isRange {
			last = first
		}
		from, err := strconv.Atoi(first)
		if err != nil {
			return nil, fmt.Errorf("list of CPUs %q: %w", ranges, err)
		}
		to, err := strconv.Atoi(last)
		if err != nil {
			return nil, fmt.Errorf("list of CPUs %q: %w", ranges, err)
		}
		for n := from; n <= to; n++ {
			cpus = append(cpus, n)
		}
	}
	return cpus, nil
}

// list writes CPUs as taskset reads them.
func list(cpus []int) string {
	return strings.Trim(strings.ReplaceAll(fmt.Sprint(cpus), " ", ","), "[]")
}
