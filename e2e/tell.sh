#!/bin/sh
# Runs a `go test -v` and prints which packages passed and what was left out, and why; all that it says if something failed.
set -eu
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if "$@" >"$log" 2>&1; then
	grep -aE '^(ok|FAIL|---|SKIP)|SKIPPED|LEFT OUT|^[[:space:]]+--- SKIP' "$log" | grep -av '^--- PASS' || true
else
	cat "$log"
	exit 1
fi
