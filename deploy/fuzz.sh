#!/usr/bin/env bash
# Runs every fuzz target of the workspace for FUZZTIME, one after the other.
set -euo pipefail
cd "$(dirname "$0")/.."
go list -f '{{.Dir}}' work | while read -r dir; do
	{ grep -hoE '^func Fuzz[A-Za-z0-9_]*' "$dir"/*_test.go 2>/dev/null || true; } | awk '{ print $2 }' | while read -r name; do
		echo "fuzz ${dir#"$PWD"/} $name"
		go test "$dir" -run '^$' -fuzz "^$name\$" -fuzztime "${FUZZTIME:-10s}" </dev/null | tail -n 1
	done
done
