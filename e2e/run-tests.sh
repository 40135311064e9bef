#!/bin/sh
# Runs the end-to-end tests: real etcd, real clients, tshark beside us. What is left out, for want of root or of a program, is said.
set -eu
cd "$(dirname "$0")"
./setup.sh
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if go test -count=1 -timeout 30m -v ./... >"$log" 2>&1; then
	grep -E '^(ok|FAIL|---|SKIP)|SKIPPED|LEFT OUT|^[[:space:]]+--- SKIP' "$log" | grep -v '^--- PASS' || true
else
	cat "$log"
	exit 1
fi
