# Every target installs what it needs (local/setup), then runs the one line below it.

PYTHON := .venv/bin/python
BIN := .venv/bin
# uv keeps a lock file's versions and hashes unless pyproject.toml asks for others. By default it writes no index's address.
COMPILE := $(BIN)/uv pip compile --quiet --python $(PYTHON) --generate-hashes --no-header --no-annotate

# Three files of tests at once on two cores: while one waits, the others work.
TESTS := $(PYTHON) -m pytest -n 3 --no-loadscope-reorder
QUICK := --quick tests/domain tests/wire tests/app tests/activities tests/http

# More arguments for run, test, dev and bench: make test ARGS="-k proxy".
ARGS ?=

MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help
# The order of what check does is a promise.
.NOTPARALLEL:
.PHONY: help setup run test test-quick check fmt lint types layers locks dev cluster bench lock openapi bicep-types clean

help: ## print this menu
	@printf 'Shardwarm. Usage: make TARGET [ARGS="..."]\n\n'
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## install .venv, Azurite, an S3 server, pyright, BLAST+ and vmtouch; quick when nothing is missing
	@local/setup

run: setup ## the main job: shard and warm two real databases, and prove that no sequence is lost
	@$(PYTHON) -m local.demo $(ARGS)

test: setup ## run all tests
	@$(TESTS) $(ARGS)

test-quick: setup ## the inner loop: tests of pure code, storage and routes, without stacks and clusters
	@$(TESTS) $(QUICK) $(ARGS)

check: locks lint types layers test ## run what CI runs, in CI's order

fmt: setup ## format, and fix what ruff can fix
	@$(BIN)/ruff format
	@$(BIN)/ruff check --fix

lint: setup ## check rules and format with ruff
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check

types: setup ## check types with pyright, strict
	@local/node_modules/.bin/pyright

layers: setup ## check the import rules between layers
	@$(BIN)/lint-imports

locks: setup ## check that the lock files hold the versions that pyproject.toml and package.json ask for
	@$(PYTHON) -m local.locks

dev: setup ## start the local stack, until Ctrl-C; addresses in .local/stack.json; ARGS=--cluster for warmups
	@$(PYTHON) -m local.stack $(ARGS)

cluster: setup ## start a local Kubernetes cluster, until Ctrl-C; the first build takes some minutes
	@$(PYTHON) -m local.cluster $(ARGS)

bench: setup ## measure ratios against the replaced system and the physical limit
	@$(PYTHON) -m benchmarks $(ARGS)

lock: setup ## compile the lock files from pyproject.toml, the .in files and local/package.json
	@$(COMPILE) -o requirements.txt pyproject.toml
	@$(COMPILE) -c requirements.txt -o warmer/requirements.txt warmer/requirements.in
	@$(COMPILE) -o local/s3/requirements.txt local/s3/requirements.in
	@$(COMPILE) --extra dev -c requirements.txt -o local/requirements.txt pyproject.toml
	@npm install --prefix local --package-lock-only --omit-lockfile-registry-resolved --no-audit --no-fund --loglevel=error

openapi: setup ## write docs/openapi.json from the models
	@$(PYTHON) -m local.openapi

bicep-types: setup ## write infra/types from Microsoft's package of resource types (a large download)
	@$(PYTHON) -m local.bicep

clean: ## remove everything that the other targets created
	@rm -rf .venv .local local/node_modules .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
