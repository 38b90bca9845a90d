# `make help` lists the targets. Everything runs from .venv, which is made and filled where it is needed.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PYTEST_ARGS ?=
BENCH_ARGS ?=

# The trees that exist: a checkout may lack some.
TYPED := $(wildcard sdk server conformance benchmarks scripts examples)
LINTED := $(TYPED) $(wildcard tests)

PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
SERVER_STAMP := $(VENV)/.installed-server
DEV_STAMP := $(VENV)/.installed-dev

.DEFAULT_GOAL := help
.PHONY: help demo serve test lint types layers proto proto-check buf bench chaos simulate soak readme conformance-docs conformance-long format interop clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(SERVER_STAMP) ## set up, then show events going in and coming out, a crash included
	$(BIN)/hookline demo

serve: $(SERVER_STAMP) ## start a development server (loopback receivers allowed) on the default data directory; it says what to do next
	$(BIN)/hookline serve --dev --hints

test: $(DEV_STAMP) interop ## the whole test suite; PYTEST_ARGS adds options
	$(BIN)/python -m pytest -n 2 --dist loadgroup $(PYTEST_ARGS)

lint: $(DEV_STAMP) ## ruff: rules and format; is what is generated (hookline.sync, a table in the docs) up to date?
	$(BIN)/ruff check $(LINTED)
	$(BIN)/ruff format --check $(LINTED)
	$(BIN)/python scripts/generate_sync.py --check
	$(BIN)/python scripts/generate_signature_table.py --check
	$(BIN)/python scripts/generate_performance_table.py --check

format: $(DEV_STAMP) ## ruff: mend what it can mend by itself
	$(BIN)/ruff check --fix $(LINTED)
	$(BIN)/ruff format $(LINTED)

types: $(DEV_STAMP) ## mypy --strict; the tests are not type-checked
	$(BIN)/mypy $(TYPED)

layers: $(DEV_STAMP) ## import-linter: imports only go down
	$(BIN)/lint-imports --no-logo

proto: $(DEV_STAMP) ## generate sdk/hookline_proto from proto/
	$(BIN)/python scripts/generate_proto.py

proto-check: $(DEV_STAMP) ## are the committed stubs what proto/ generates?
	$(BIN)/python scripts/generate_proto.py --check

buf: $(DEV_STAMP) ## buf lint, and buf breaking against the previous commit
	$(BIN)/python scripts/check_contracts.py

bench: $(DEV_STAMP) ## measure; a table, and benchmarks/results/latest.json; BENCH_ARGS adds options (--large: millions of rows)
	$(BIN)/python -m benchmarks $(BENCH_ARGS)

chaos: $(DEV_STAMP) ## kill and stop replicas, restart PostgreSQL, break connections; an account of every event (KILLS=1000 SEED=…)
	PYTHONPATH=tests $(BIN)/python -m chaos --kills $(or $(KILLS),1000) $(if $(SEED),--seed $(SEED))

simulate: $(DEV_STAMP) ## the engine in a world of its own with an enemy, seed by seed; SEEDS=5000 FIRST=… BUG=…
	PYTHONPATH=tests $(BIN)/python -m simulation --seeds $(or $(SEEDS),2000) $(if $(FIRST),--first $(FIRST)) $(if $(BUG),--bug $(BUG))

soak: $(DEV_STAMP) ## a server under a steady mixed load: is what it holds flat, is its account right? (MINUTES=30 SOAK_ARGS="--store postgresql")
	$(BIN)/python -m benchmarks.soak --minutes $(or $(MINUTES),30) $(SOAK_ARGS)

readme: $(DEV_STAMP) ## run what the README says
	$(BIN)/python scripts/check_readme.py

conformance-docs: $(DEV_STAMP) ## generate docs/conformance: the catalogue, the kill matrix (minutes), a sample report
	$(BIN)/python scripts/kill_matrix.py
	$(BIN)/python scripts/generate_conformance_docs.py --sample

conformance-long: $(DEV_STAMP) interop ## the suite proves itself at length (an hour): 200 seeds, full runs, hookline on all of its stores, measured times
	CONFORMANCE_SEEDS=$(or $(SEEDS),200) CONFORMANCE_STORES=everything CONFORMANCE_MODE=full \
	  $(BIN)/python -m pytest -n 2 --dist loadgroup --timeout 3600 tests/conformance $(PYTEST_ARGS)
	$(BIN)/python scripts/measure_good_receivers.py

# A language whose tools are missing or fail is named, and the interoperation tests with it say that they were skipped, and why;
# but where node and npm are installed, what is for node has to be made.
interop: $(DEV_STAMP) ## other languages' libraries, which judge the signatures (node, Go, Rust, Java; those that are here)
	@if [ -f tests/interop/build.py ]; then $(BIN)/python tests/interop/build.py; fi

clean: ## remove the environment and what the tools keep
	rm -rf $(VENV) dist build .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache tests/interop/node_modules
	rm -rf tests/interop/judges/go/bin tests/interop/judges/rust/target tests/interop/judges/java/lib tests/interop/judges/java/classes
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "hookline needs Python 3.11 or newer, and " + sys.executable + " is " + sys.version.split()[0] + "; say which to use: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)

$(SERVER_STAMP): pyproject.toml | $(BIN)/python
	$(PIP) install --editable '.[server]'
	@touch $@

# What development needs contains what the server needs.
$(DEV_STAMP): pyproject.toml | $(BIN)/python
	$(PIP) install --editable '.[server,postgres,conformance,dev]'
	@touch $@ $(SERVER_STAMP)
