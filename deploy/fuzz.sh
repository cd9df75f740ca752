#!/usr/bin/env bash
# Runs every fuzz target of the workspace for FUZZTIME, one after the other.
set -euo pipefail
cd "$(dirname "$0")/.."
log=$(mktemp)
trap 'rm -f "$log"' EXIT

fuzz() { go test "$1" -run '^$' -fuzz "^$2\$" -fuzztime "${FUZZTIME:-10s}" </dev/null >"$log" 2>&1; }

# The go command now and then takes the end of the time for a failure of the
# target (golang/go#48591): without an input that fails it is tried once more.
outOfTime() { grep -q 'context deadline exceeded' "$log" && ! grep -q 'Failing input written' "$log"; }

go list -f '{{.Dir}}' work | while read -r dir; do
	{ grep -hoE '^func Fuzz[A-Za-z0-9_]*' "$dir"/*_test.go 2>/dev/null || true; } | awk '{ print $2 }' | while read -r name; do
		echo "fuzz ${dir#"$PWD"/} $name"
		if ! fuzz "$dir" "$name" && ! { outOfTime && fuzz "$dir" "$name"; }; then
			cat "$log"
			exit 1
		fi
		tail -n 1 "$log"
	done
done
