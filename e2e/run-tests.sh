#!/bin/sh
# Runs the end-to-end tests: real etcd, real clients, tshark beside us. What is left out, for want of root or of a program, is said.
set -eu
cd "$(dirname "$0")"
./setup.sh
exec ./tell.sh go test -count=1 -timeout 30m -v ./...
