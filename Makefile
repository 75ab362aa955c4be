# What a newcomer calls: `make help` says it all. Everything lives in .venv and demo/.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
DEV_STAMP := $(VENV)/.installed-dev
WORKERS ?= 2

.DEFAULT_GOAL := help

.PHONY: help demo compare test test-slow check format bench clean

help: ## Show this help.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else "Noljima needs Python 3.11 or newer; say make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }

$(STAMP): $(VENV)/bin/python pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	@touch $@

$(DEV_STAMP): $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@

demo: $(STAMP) ## Set up, then watch a scheduler with real jobs on 8 virtual GPUs for 90 s.
	@$(BIN)/noljima demo --folder demo

compare: $(STAMP) ## Compare policies on a generated day of a 64-GPU cluster.
	@mkdir -p demo
	@echo "A day of a 64-GPU cluster: jobs of 1 to 32 GPUs, half of them one GPU, load 1."
	$(BIN)/noljima generate --gpus 64 --days 1 --jobs-per-day 600 --load 1 --seed 5 \
	    --mix 1:0.55,2:0.12,4:0.1,8:0.17,16:0.04,32:0.02 -o demo/day.jsonl
	@echo "The same jobs under five policies; every job saves its state every 10 minutes."
	$(BIN)/noljima simulate demo/day.jsonl --nodes 8 --gpus-per-node 8 \
	    --policy fair --policy efficient --policy easy --policy fifo --policy pod-by-pod \
	    --estimates last-two --evictable 1 --checkpoint 10m --restart-cost 1m \
	    --report demo/report
	@echo "Late jobs started later than first come, first served would have started them."
	@echo "Open demo/report/index.html in a browser."

test: $(DEV_STAMP) ## Run the tests (what CI runs; under 5 minutes on 2 cores).
	$(BIN)/python -m pytest -q -n $(WORKERS) -m 'not slow'

test-slow: $(DEV_STAMP) ## Run the slow suites: published results and long property runs.
	$(BIN)/python -m pytest -q -n $(WORKERS) -m slow

check: $(DEV_STAMP) ## Lint, check formatting, types and the import contracts.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(DEV_STAMP) ## Format the code and mend what lint can mend.
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(DEV_STAMP) ## Measure the budgets and write docs/benchmarks.md.
	$(BIN)/python -m bench

clean: ## Remove everything that make has made.
	rm -rf $(VENV) demo build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -prune -exec rm -rf {} +
