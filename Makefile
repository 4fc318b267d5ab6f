# `make` is what CI runs. `make help` lists the targets.
SHELL := /usr/bin/env bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := check

GOLANGCI := v2.15.0
FUZZTIME ?= 30s

# Packages whose goroutines share state; the race detector is slow for the rest. One after the
# other: under it, two that hash passwords at once look like a flood to each other.
RACE := ./client ./guard ./internal/auth ./internal/hashpool ./internal/httpapi ./server ./sqlite ./postgres ./cmd/doorward

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

.PHONY: check
check: deps tidy lint test doctor race web demo torture ## everything that CI runs (the default)

# Each target keeps all processors busy by itself, and deps must be done first.
.NOTPARALLEL:

.PHONY: deps
deps: ## what make needs beside Go, installed where that can be done
	@.ci/deps

.PHONY: tidy
tidy: ## formatting, vet, generated files and go.mod are as they should be
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); test -z "$$unformatted" || { echo "gofmt: $$unformatted"; exit 1; }
	go vet ./...
	go mod tidy -diff

.PHONY: lint
lint: .bin/golangci-lint-$(GOLANGCI) ## golangci-lint, built from source on the first run
	$< run

.bin/golangci-lint-$(GOLANGCI):
	GOBIN="$(CURDIR)/.bin" go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI)
	mv .bin/golangci-lint $@

.PHONY: test
test: ## all tests but the doctor's corpus
	go test $$(go list ./... | grep -v /internal/corpus)

# In its own directory go test prints what passes, too.
.PHONY: doctor
doctor: ## the doctor on stacks that refuse, and its score
	cd internal/corpus && go test -count=1

.PHONY: race
race: ## the tests of what runs concurrently, under the race detector
	go test -race -short -p 1 $(RACE)

.PHONY: web
web: deps ## the TypeScript: types, lint, tests, packages, a stranger's app
	go test -run 'Fresh|Sum|Sizes' ./web/build
	@if .ci/deps has node; then \
	  cd web; for script in check lint test pack:check consumer; do npm run --silent $$script; done; \
	fi

.PHONY: demo
demo: deps ## the demo, with every lever pulled, in a browser
	@if .ci/deps has browser; then cd web; npm run --silent demo-test --workspace demo; fi

.PHONY: torture
torture: deps ## browsers against the binary, for a minute
	@if .ci/deps has browser; then cd web; npm run --silent torture --workspace torture; fi

.PHONY: soak
soak: export SOAK = 1
soak: torture ## the same, the Go client, the rotation rule and histories of fleets, for much longer
	go test -count=1 -timeout 60m ./client ./internal/session ./internal/linear ./internal/fleet

# What is slow by nature: walks of all interleavings, attacks by the hundred
# thousand, killed processes, hashes.
SLOW := bench|client|cmd/doorward|examples|internal/(archtest|argon2|corpus|fleet|interop|linear|password|pgtest|session|storetest)|server|sqlite|postgres

.PHONY: short
short: ## the quick tests and the server's scripts, in under 10 s once built
	go test -short $$(go list ./... | grep -vE '/($(SLOW))(/|$$)')
	go test -short -run TestScripts ./server

.PHONY: bench
bench: ## the tables of docs/performance.md, measured here and now
	go run ./bench

.PHONY: fuzz
fuzz: ## every fuzz target for FUZZTIME (30s) each
	@for pkg in $$(go list ./...); do \
	  for target in $$(go test -list '^Fuzz' $$pkg | grep '^Fuzz' || true); do \
	    echo "== $$pkg $$target"; go test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) $$pkg; \
	  done; \
	done

.PHONY: build
build: ## the binary, static, in ./doorward
	CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -o doorward ./cmd/doorward
