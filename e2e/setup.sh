#!/bin/sh
# Installs what the end-to-end tests need and this machine lacks (Debian and its kin, as root); else says what to install.
set -eu
lacking=
for program in tcpdump tshark curl openssl; do
	command -v "$program" >/dev/null 2>&1 || lacking="$lacking $program"
done
command -v ip >/dev/null 2>&1 || lacking="$lacking iproute2"
command -v setcap >/dev/null 2>&1 || lacking="$lacking libcap2-bin"
# Other TLS stacks, each with the package that has it; without one its rows of the table in docs/tls13.md are left out.
command -v gnutls-cli >/dev/null 2>&1 || lacking="$lacking gnutls-bin"
command -v tstclnt >/dev/null 2>&1 || lacking="$lacking libnss3-tools"
command -v java >/dev/null 2>&1 || lacking="$lacking default-jdk-headless"
command -v bssl-tool >/dev/null 2>&1 || lacking="$lacking android-boringssl"
if [ -z "$lacking" ]; then
	exit 0
fi
if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null 2>&1; then
	echo "e2e: install$lacking (Debian: apt-get install -y$lacking); tests that need them will be skipped" >&2
	exit 0
fi
echo "e2e: installing$lacking" >&2
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
# shellcheck disable=SC2086 # a list of names
if ! apt-get install -y -qq --no-install-recommends $lacking >/dev/null; then # one that a release lacks must not cost the others
	for package in $lacking; do
		apt-get install -y -qq --no-install-recommends "$package" >/dev/null || echo "e2e: no $package here; tests that need it will be skipped" >&2
	done
fi
