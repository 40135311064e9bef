# etcdtap. `make demo` runs the main job on a capture that is built in; `make test` passes the tests.
# Needed: Go, and for tcpdump filter expressions gcc and libpcap's header (Debian: apt-get install libpcap-dev); without them
# the same targets build in pure Go and say so.

GO       ?= go
BIN      := bin/etcdtap
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

.PHONY: help build demo test test-go test-race test-e2e lint vet staticcheck govulncheck fuzz-smoke fuzz bench pcaps docs install clean pcap-notice go-check

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

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
	$(GO) test $(TAGS) ./...

test-race: go-check ## the tests under the race detector
	CGO_ENABLED=1 $(GO) test -race $(TAGS) ./...

test-e2e: build ## real etcd, real clients, tshark beside us
	@./e2e/run-tests.sh

lint: vet staticcheck govulncheck ## all linters

vet: go-check
	@out=$$(gofmt -l $$(git ls-files '*.go')); [ -z "$$out" ] || { echo "gofmt: $$out" >&2; exit 1; }
	$(GO) vet $(TAGS) ./...
	CGO_ENABLED=0 $(GO) vet -tags nopcap ./...

staticcheck: go-check
	$(GO) tool -modfile=e2e/lint/go.mod staticcheck $(TAGS) ./...

govulncheck: go-check
	@$(GO) tool -modfile=e2e/lint/go.mod govulncheck $(TAGS) ./... || { [ $$? -eq 3 ] && exit 1; echo "govulncheck LEFT OUT: its database cannot be reached" >&2; }

FUZZTIME ?= 3000x
fuzz-smoke: go-check ## each fuzz target for FUZZTIME: so many inputs, for a deadline of Go's fuzzer now and then counts as a failure
	@set -e; for p in $$($(GO) list $(TAGS) ./...); do \
	  for f in $$($(GO) test $(TAGS) -list '^Fuzz' $$p | grep '^Fuzz' || true); do \
	    echo "$$p $$f"; ./e2e/fuzz.sh $(GO) test $(TAGS) -run '^$$' -fuzz "^$$f\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 1x $$p; \
	  done; done

fuzz: ## each fuzz target for five minutes
	$(MAKE) fuzz-smoke FUZZTIME=5m

bench: go-check ## benchmarks: packets per second and allocations, from generated captures
	$(GO) test $(TAGS) -run '^$$' -bench . -benchmem ./...

pcaps: build ## make testdata/pcaps again, from real etcd and real clients (root)
	./e2e/setup.sh
	$(E2E) run ./cmd/mkpcaps -o ../testdata/pcaps

docs: go-check ## make docs/findings.md again
	$(GO) test ./analysis/report -run TestFindingsDocument -update-findings

PREFIX ?= /usr/local
install: build ## install to PREFIX (/usr/local)
	install -D -m 0755 $(BIN) $(DESTDIR)$(PREFIX)/bin/etcdtap

clean:
	rm -rf bin e2e/bin
