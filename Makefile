# etcdtap. `make demo` runs the main job on a capture that is built in; `make test` passes the tests.
# Needed: Go, and for tcpdump filter expressions gcc and libpcap's header (Debian: apt-get install libpcap-dev); without them
# the same targets build in pure Go and say so.

GO       ?= go
BUILD    := bin
BIN      := $(BUILD)/etcdtap
VERSION  := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
LDFLAGS  := -s -w -X main.version=$(VERSION)
E2E      := cd e2e && $(GO)

# With cgo and libpcap where both are there, else without.
HAVE_PCAP := $(shell printf '\043include <pcap.h>\nint main(void){return 0;}\n' | $${CC:-cc} -x c - -lpcap -o /dev/null 2>/dev/null && echo yes)
ifeq ($(HAVE_PCAP),yes)
  export CGO_ENABLED := 1
  TAGS :=
else
  export CGO_ENABLED := 0
  TAGS := -tags nopcap
endif

.PHONY: help bench-live build demo test test-go test-race test-e2e lint vet staticcheck govulncheck fuzz-smoke fuzz bench pgo bench-read bench-proxy pcaps docs image-binary man completions install install-files markers install-units uninstall clean pcap-notice go-check

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## /{printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

go-check:
	@command -v $(GO) >/dev/null 2>&1 || { echo "etcdtap needs Go $$(sed -n 's/^go //p' go.mod) or newer: https://go.dev/dl/" >&2; exit 1; }

pcap-notice:
	@[ "$(HAVE_PCAP)" = yes ] || echo "note: libpcap's header is missing, so this build is pure Go and has no tcpdump filter expressions; for them: apt-get install gcc libpcap-dev" >&2

build: go-check pcap-notice ## build bin/etcdtap
	$(GO) build -trimpath $(TAGS) -ldflags '$(LDFLAGS)' -o $(BIN) ./cmd/etcdtap

demo: build ## analyse the capture that is built in
	@echo; ./$(BIN) demo

test: test-go test-e2e ## all tests; those that need root and real etcd say when they are left out

test-go: go-check pcap-notice
	@./e2e/tell.sh $(GO) test -v $(TAGS) ./...

test-race: go-check ## the tests under the race detector
	CGO_ENABLED=1 $(GO) test -race $(TAGS) ./...

test-e2e: build ## real etcd, real clients, tshark beside us
	@./e2e/run-tests.sh

lint: vet staticcheck govulncheck markers ## all linters

vet: go-check
	@out=$$(gofmt -l $$(git ls-files '*.go')); [ -z "$$out" ] || { echo "gofmt: $$out" >&2; exit 1; }
	$(GO) vet $(TAGS) ./...
	CGO_ENABLED=0 $(GO) vet -tags nopcap ./...
	CGO_ENABLED=0 $(GO) vet -tags nopcap,docs ./cmd/etcdtap
	GOARCH=386 CGO_ENABLED=0 $(GO) build -pgo=off -tags nopcap ./...

staticcheck: go-check
	$(GO) tool -modfile=e2e/lint/go.mod staticcheck $(TAGS) ./...

govulncheck: go-check
	@$(GO) tool -modfile=e2e/lint/go.mod govulncheck $(TAGS) ./... || { [ $$? -eq 3 ] && exit 1; echo "govulncheck LEFT OUT: its database cannot be reached" >&2; }

FUZZTIME ?= 2000x
markers: ## what a merge left behind
	@! grep -rnE '^(<<<<<<<|>>>>>>>) ' --include='*.md' --include='*.go' --include='*.sh' --include='*.yaml' --include=Makefile .

fuzz-smoke: go-check ## each fuzz target for FUZZTIME: so many inputs, for a deadline of Go's fuzzer now and then counts as a failure
	@set -e; for p in $$($(GO) list $(TAGS) ./...); do \
	  for f in $$($(GO) test $(TAGS) -list '^Fuzz' $$p | grep '^Fuzz' || true); do \
	    echo "$$p $$f"; ./e2e/fuzz.sh $(GO) test $(TAGS) -run '^$$' -fuzz "^$$f\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 1x $$p; \
	  done; done

fuzz: ## each fuzz target for five minutes
	$(MAKE) fuzz-smoke FUZZTIME=5m

bench: go-check ## benchmarks: packets per second and allocations, from generated captures
	$(GO) test $(TAGS) -run '^$$' -bench . -benchmem ./...

# Without optimisation by the old profile, so that the new one does not depend on it, and without libpcap, whose place on this machine it would name.
pgo: go-check ## make cmd/etcdtap/default.pgo again: what the compiler optimises for, measured by reading generated captures
	GOMAXPROCS=1 CGO_ENABLED=0 $(GO) test -trimpath -pgo=off -tags nopcap -run '^$$' -bench 'Reader/(bulk|handshakes|mix|halfopen)/json' -benchtime 5s \
	  -o $(BUILD)/pgo.test -outputdir cmd/etcdtap -cpuprofile default.pgo ./cmd/etcdtap

SCALE ?= 1
BENCHDIR ?= bin/bench
bench-read: build ## reading beside tcpdump, nDPI, tshark and ssldump, on captures made for it; with SCALE=1, the default, four minutes and 4 GB in BENCHDIR
	$(GO) build -o bin/mkcapture ./capture/capturetest/mkcapture
	$(E2E) build -o ../bin/benchread ./cmd/benchread
	./bin/benchread -etcdtap ./bin/etcdtap -mkcapture ./bin/mkcapture -dir $(BENCHDIR) -scale $(SCALE) $(BENCHFLAGS)

bench-live: build ## capture a bulk load of real etcd traffic, side by side with tcpdump -w /dev/null (root; a minute)
	$(E2E) run ./cmd/benchlive $(BENCHLIVE)

bench-proxy: build ## the proxy beside HAProxy, nginx and the direct connection, in turns: five minutes
	@command -v haproxy >/dev/null 2>&1 || echo "note: for the comparison: apt-get install haproxy nginx libnginx-mod-stream" >&2
	$(E2E) build -o ../bin/benchproxy ./cmd/benchproxy
	./bin/benchproxy -etcdtap ./bin/etcdtap $(BENCHFLAGS)

pcaps: build ## make testdata/pcaps again, from real etcd and real clients (root)
	./e2e/setup.sh
	$(E2E) run ./cmd/mkpcaps -o ../testdata/pcaps

docs: go-check ## make docs/findings.md again
	$(GO) test ./analysis/report -run TestFindingsDocument -update-findings

image-binary: go-check ## build bin/etcdtap-static: pure Go, linked to nothing, for images and foreign machines (GOARCH=arm64 for another processor)
	CGO_ENABLED=0 $(GO) build -trimpath -tags nopcap -ldflags '$(LDFLAGS)' -o $(BIN)-static ./cmd/etcdtap

# The pages are dated by the commit, so that the same commit gives the same bytes.
man: go-check ## write the manual pages to bin/man, from the commands themselves
	rm -rf $(BUILD)/man
	SOURCE_DATE_EPOCH=$${SOURCE_DATE_EPOCH:-$$(git log -1 --format=%ct 2>/dev/null || date +%s)} \
	  $(GO) run $(if $(TAGS),$(TAGS)$(comma)docs,-tags docs) -ldflags '-X main.version=$(VERSION)' ./cmd/etcdtap gendocs $(BUILD)/man
comma := ,

completions: build ## write the shells' completions to bin/completions
	mkdir -p $(BUILD)/completions
	$(abspath $(BIN)) completion bash >$(BUILD)/completions/etcdtap
	$(abspath $(BIN)) completion zsh >$(BUILD)/completions/_etcdtap
	$(abspath $(BIN)) completion fish >$(BUILD)/completions/etcdtap.fish

PREFIX  ?= /usr/local
MANDIR  ?= $(PREFIX)/share/man
BASHDIR ?= $(PREFIX)/share/bash-completion/completions
ZSHDIR  ?= $(PREFIX)/share/zsh/site-functions
FISHDIR ?= $(PREFIX)/share/fish/vendor_completions.d
UNITDIR ?= $(PREFIX)/lib/systemd/system
UNITS   := etcdtap.service etcdtap-proxy.service etcdtap-proxy.socket

install: build man completions ## install program, manual pages and completions to PREFIX (/usr/local), below DESTDIR
	@$(MAKE) --no-print-directory install-files

install-files: ## the same without building, for 'make build man completions && sudo make install-files': root may have no Go
	@[ -x $(BIN) ] && [ -d $(BUILD)/man ] && [ -d $(BUILD)/completions ] || { echo "nothing is built yet: make build man completions" >&2; exit 1; }
	install -D -m 0755 $(BIN) $(DESTDIR)$(PREFIX)/bin/etcdtap
	install -d $(DESTDIR)$(MANDIR)/man1
	install -m 0644 $(BUILD)/man/*.1 $(DESTDIR)$(MANDIR)/man1
	install -D -m 0644 $(BUILD)/completions/etcdtap $(DESTDIR)$(BASHDIR)/etcdtap
	install -D -m 0644 $(BUILD)/completions/_etcdtap $(DESTDIR)$(ZSHDIR)/_etcdtap
	install -D -m 0644 $(BUILD)/completions/etcdtap.fish $(DESTDIR)$(FISHDIR)/etcdtap.fish

install-units: ## install the systemd units; docs/deploy.md says how to go on
	install -d $(DESTDIR)$(UNITDIR)
	@set -e; for u in $(UNITS); do \
	  echo "deploy/$$u -> $(DESTDIR)$(UNITDIR)/$$u"; \
	  sed 's|/usr/local/bin/etcdtap|$(PREFIX)/bin/etcdtap|' deploy/$$u >$(DESTDIR)$(UNITDIR)/$$u; chmod 0644 $(DESTDIR)$(UNITDIR)/$$u; \
	done

uninstall: ## remove what install and install-units installed
	rm -f $(DESTDIR)$(PREFIX)/bin/etcdtap $(DESTDIR)$(BASHDIR)/etcdtap $(DESTDIR)$(ZSHDIR)/_etcdtap $(DESTDIR)$(FISHDIR)/etcdtap.fish
	rm -f $(DESTDIR)$(MANDIR)/man1/etcdtap.1 $(DESTDIR)$(MANDIR)/man1/etcdtap-*.1
	rm -f $(addprefix $(DESTDIR)$(UNITDIR)/,$(UNITS))

clean:
	rm -rf bin e2e/bin
