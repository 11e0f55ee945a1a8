# Every step of .ci/run is a target here, so that what fails there can be run alone.

SHELL := /usr/bin/env bash
.SHELLFLAGS := -euo pipefail -c
# scripts/setup-test puts a newer Node.js here where the system's is too old.
export PATH := $(CURDIR)/.cache/node/node_modules/node/bin:$(PATH)
.DEFAULT_GOAL := help

GOLANGCI := go tool -modfile=tools/go.mod golangci-lint
FUZZTIME ?= 10s
MINUTES  ?= 5

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: ## Build bin/tideline, a static binary
	CGO_ENABLED=0 go build -trimpath -o bin/tideline ./cmd/tideline

.PHONY: run-sandbox
run-sandbox: ## Run the server with an emulated WhatsApp network
	go run ./cmd/tideline serve --sandbox

.PHONY: test
test: ## Install what the tests need, then run them all with the race detector
	@scripts/setup-test
	@scripts/test

.PHONY: fuzz
fuzz: ## Run every fuzz target for FUZZTIME (10s) each
	@scripts/fuzz $(FUZZTIME)

.PHONY: bench
bench: ## Run all benchmarks and write the table of docs/performance.md; BENCH="--only accept" runs one, BENCH=--quick is a smoke test
	go run ./bench/table $(BENCH)

.PHONY: soak
soak: ## Send and receive under random faults for MINUTES (5), and account for every message
	go run ./bench/soak --minutes $(MINUTES)

.PHONY: nodes
nodes: ## Kill, freeze, cut off and restart three servers on DATABASE for MINUTES (5), and account for every message
	go run ./bench/nodes --minutes $(MINUTES) --database "$(DATABASE)"

.PHONY: fmt
fmt: ## Format the Go files
	$(GOLANGCI) fmt

.PHONY: fmt-check
fmt-check: ## Fail if a Go file is not formatted
	$(GOLANGCI) fmt --diff

.PHONY: lint
lint: ## Run the linters of .golangci.yaml
	$(GOLANGCI) run

.PHONY: generate
generate: ## Generate code from its sources, such as api/openapi.yaml
	go generate ./...

.PHONY: generate-check
generate-check: ## Fail if generated code is not what its sources give
	@scripts/generate-check

.PHONY: cross-check
cross-check: ## Check that the command compiles for macOS and Windows
	GOOS=darwin CGO_ENABLED=0 go vet ./cmd/...
	GOOS=windows CGO_ENABLED=0 go vet ./cmd/...

.PHONY: clean
clean: ## Remove what build and test leave in this folder
	rm -rf bin coverage.out
