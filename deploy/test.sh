#!/usr/bin/env bash
# Runs a `go test` command and closes with what could not run on this machine:
# each such test says `NOT RUN: reason`. With CI=true any other skip fails.
set -uo pipefail
log=$(mktemp)
trap 'rm -f "$log"' EXIT
"$@" -v >"$log" 2>&1
code=$?
# Without -v's noise: failures, packages, panics.
awk '
	/^=== (RUN|PAUSE|CONT|NAME)/ { next }
	/^[[:space:]]*--- PASS/ { next }
	/^(PASS|\?)/ { next }
	{ lines[++n] = $0 }
	END { for (i = 1; i <= n; i++) print lines[i] }
' "$log" | if [ $code -eq 0 ]; then grep -E '^(ok|FAIL|[[:space:]]*[a-z_0-9]+\.go:[0-9]+: (NOT RUN|FIGURE))' ; else cat; fi
passed=$(grep -cE '^[[:space:]]*--- PASS' "$log")
failed=$(grep -cE '^[[:space:]]*--- FAIL' "$log")
skipped=$(grep -cE '^[[:space:]]*--- SKIP' "$log")
not_run=$(grep -cE 'NOT RUN: ' "$log")
if [ "${CI:-}" = true ] && [ "$skipped" -gt "$not_run" ]; then
	echo "a test was skipped without saying NOT RUN:"
	grep -A2 -E '^[[:space:]]*--- SKIP' "$log"
	code=1
fi
[ "$not_run" -eq 0 ] || echo "NOT RUN on this machine: $not_run (reasons above)"
[ $code -eq 0 ] || [ "$failed" -gt 0 ] || failed=1
echo "$passed passed, $failed failed, $skipped skipped"
exit $code
