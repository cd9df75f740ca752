# TinyTwamp. `make` lists what there is.

SHELL   := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
MODULES := shared services/reflector services/prober services/logger deploy/e2e deploy/e2e/k8s deploy/nats
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
REVISION ?= $(shell git rev-parse HEAD 2>/dev/null || echo unknown)
LDFLAGS := -s -w -X tinytwamp/shared/service.version=$(VERSION)
FUZZTIME ?= 100000x

# Tools of `make lint`, installed into the Go bin folder on demand.
GOBIN         := $(shell go env GOPATH)/bin
GOLANGCI_LINT := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0

# In the one module outside of the workspace: what Kubernetes brings is not to
# choose versions for the services.
K8S := cd deploy/e2e/k8s && GOWORK=off

.PHONY: help build run test race lint fuzz bench e2e k8s images credentials up down tidy cross docs

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## build bin/reflector, bin/prober and bin/logger
	@CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o bin/ ./services/reflector ./services/prober ./services/logger

run: build ## the whole pipeline on this machine, until Ctrl-C
	@exec deploy/run.sh

test: ## all tests that need no privileges
	@deploy/test.sh go test -count 1 work
	@$(K8S) ../../test.sh go test -count 1 .

race: ## the same with the race detector, in random order (needs a C compiler)
	@CGO_ENABLED=1 deploy/test.sh go test -race -shuffle=on -count 1 work

lint: cross ## linters, and that every system we support builds
	@test -x $(GOBIN)/golangci-lint || go install $(GOLANGCI_LINT)
	@go list -f '{{.Dir}}/...' -m | xargs $(GOBIN)/golangci-lint run
	@$(GOBIN)/golangci-lint fmt --diff $$(go list -f '{{.Dir}}' -m)
	@$(K8S) $(GOBIN)/golangci-lint run
	@for m in $(MODULES); do (cd $$m && GOWORK=off go mod tidy -diff); done

cross: ## build each service for the systems it supports
	@for os in linux/arm64 darwin/arm64 freebsd/amd64 openbsd/amd64 netbsd/amd64; do \
		GOOS=$${os%/*} GOARCH=$${os#*/} CGO_ENABLED=0 go build -o /dev/null ./services/reflector; \
		GOOS=$${os%/*} GOARCH=$${os#*/} CGO_ENABLED=0 go build -o /dev/null ./services/prober; \
	done
	@GOOS=linux GOARCH=arm64 CGO_ENABLED=0 go build -o /dev/null ./services/logger

fuzz: ## fuzz each decoder for FUZZTIME (100000x: so many inputs)
	@FUZZTIME=$(FUZZTIME) deploy/fuzz.sh

bench: build ## our own figures, in less than 5 minutes; BENCH_JSON=FILE keeps them
	@go run ./deploy/e2e/bench $(PARTS)

e2e: build ## tests that need root, network namespaces or Docker
	@deploy/test.sh go test -tags e2e -count 1 -timeout 25m ./deploy/e2e/...

k8s: ## deploy/k8s against a real API server, built from source: 8 minutes more the first time
	@$(K8S) ../../test.sh go test -tags e2e -count 1 -timeout 25m -run Cluster .

# Docker's own compose, or the older program.
COMPOSE  = TINYTWAMP_VERSION=$(VERSION) TINYTWAMP_REVISION=$(REVISION) $(shell docker compose version >/dev/null 2>&1 && echo docker compose || echo docker-compose)
IN_GO    = docker run --rm -u $$(id -u):$$(id -g) -e HOME=/tmp -e GOFLAGS=-buildvcs=false -v "$$PWD":/src -w /src golang:1.26 go

images: ## container images of the three services; BUILD=--network=host gives docker build a flag
	@for s in reflector prober logger; do \
		docker build -f deploy/Dockerfile $(BUILD) --build-arg GOPROXY --build-arg SERVICE=$$s --build-arg VERSION=$(VERSION) --build-arg REVISION=$(REVISION) \
			-t tinytwamp/$$s:$(VERSION) -t tinytwamp/$$s:latest . ; \
	done

credentials: ## keys and permissions of the services' NATS users; USERS=reflector-paris makes another
	@if command -v go >/dev/null; then go run ./deploy/nats/users $(USERS); else $(IN_GO) run ./deploy/nats/users $(USERS); fi
	@[ "$$(id -u)" -eq 0 ] || grep -qs ^TINYTWAMP_GROUP= .env || echo "TINYTWAMP_GROUP=$$(id -g)" >>.env

up: credentials ## start the stack of docker-compose.yml
	@$(COMPOSE) up --build -d

down: ## stop it
	@$(COMPOSE) down

docs: ## write all that is made from the code anew: tables of settings and metrics, deploy/env, conformance, deploy/k8s/plain, schemas of events
	@go test ./services/reflector ./services/prober ./services/logger -run TestREADME -update >/dev/null
	@go test ./deploy/e2e -run TestReferenceSettings -update >/dev/null
	@$(K8S) go test -run TestPlain -update . >/dev/null
	@go test -count 1 ./deploy/e2e/contract -run TestSchemas -update >/dev/null
	@go test -count 1 ./deploy/e2e/conformance -update >/dev/null || go test -count 1 ./deploy/e2e/conformance
	@go test -count 1 ./deploy/e2e/metrics -run TestGuide -update >/dev/null || go test -count 1 ./deploy/e2e/metrics -run TestGuide

tidy: ## tidy every module
	@for m in $(MODULES); do (cd $$m && go mod tidy); done
	@go work sync
