#!/usr/bin/env bash
# Runs every fuzz target of the workspace for FUZZTIME, one after the other. By
# default that is a number of inputs: at the end of a time the go command now and
# then fails by itself, with "context deadline exceeded" (golang/go#48591).
set -euo pipefail
cd "$(dirname "$0")/.."
log=$(mktemp)
trap 'rm -f "$log"' EXIT
go list -f '{{.Dir}}' work | while read -r dir; do
	{ grep -hoE '^func Fuzz[A-Za-z0-9_]*' "$dir"/*_test.go 2>/dev/null || true; } | awk '{ print $2 }' | while read -r name; do
		echo "fuzz ${dir#"$PWD"/} $name"
		if ! go test "$dir" -run '^$' -fuzz "^$name\$" -fuzztime "${FUZZTIME:-100000x}" </dev/null >"$log" 2>&1; then
			cat "$log"
			exit 1
		fi
		tail -n 1 "$log"
	done
done
