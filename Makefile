# Pumasi's commands. `make` or `make help` lists them; all but `lock` make .venv first.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules

VENV := $(CURDIR)/.venv
INSTALLED := $(VENV)/.installed
UV := $(shell command -v uv)

# PUMASI_HOME is where everything written at run time goes; programs get it absolute.
export PUMASI_HOME := $(abspath $(or $(PUMASI_HOME),var))
export DAGSTER_HOME := $(PUMASI_HOME)/dagster
export PATH := $(VENV)/bin:$(PATH)
export DO_NOT_TRACK := 1
export DAGSTER_DISABLE_TELEMETRY := 1
export DBT_SEND_ANONYMOUS_USAGE_STATS := false
export FLWR_TELEMETRY_ENABLED := 0
export GX_ANALYTICS_ENABLED := false

.PHONY: help setup demo example test lint format dev bench bench-quality redteam lock clean

help: ## list the commands (this)
	@grep -E '^[a-z-]+:.*## ' Makefile | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 22

setup: $(INSTALLED) ## make .venv from requirements.lock; does nothing if nothing changed

demo: $(INSTALLED) ## four made-up hospitals, from simulated files to gated models, in real Dagster runs
	pumasi demo

example: $(INSTALLED) ## "your own OMOP data": the GiBleed data set of OHDSI, from raw files to a gated model
	PUMASI_NETWORK=examples/gibleed pumasi build

# A process more than the two cores that tests are made for: builds and networks wait a good deal.
# A folder's tests stay together (tests/conftest.py).
test: $(INSTALLED) ## run every test; TESTS="tests/config -k site" runs some
	pytest --numprocesses 3 --dist loadscope --no-loadscope-reorder $(TESTS)

lint: $(INSTALLED) ## check style, types, directions of import, SQL and spelling
	ruff check .
	ruff format --check .
	codespell
	lint-imports
	mypy
	.ci/lint-sql

format: $(INSTALLED) ## let ruff and sqlfluff mend what they can
	ruff check --fix .
	ruff format .
	.ci/lint-sql fix

dev: $(INSTALLED) ## the Dagster UI on 127.0.0.1:3000, with the runs that were made
	workspace="$$(pumasi site sync --print-workspace)"; \
	dagster dev -w "$$workspace" -h 127.0.0.1 -p 3000

bench: $(INSTALLED) ## seconds and peak memory of each step, on the shared data sets
	python -m benchmarks

bench-quality: $(INSTALLED) ## seeded faults: which check finds which size, and what fails without one
	python -m benchmarks.quality --sizes promised,half --seeds 1-20 --clean ''
	python -m benchmarks.quality --sizes gross,middle,low --seeds 1-3 --clean ''
	python -m benchmarks.quality --seeds '' --clean 101-200 --write

redteam: $(INSTALLED) ## attacks on what leaves hospitals, with the defences on and off
	python -m benchmarks.redteam

lock: ## write requirements.lock anew from pyproject.toml (needs uv)
	uv pip compile pyproject.toml --extra dev --generate-hashes --no-annotate --no-header \
		--python-version 3.11 --universal --output-file requirements.lock

clean: ## remove .venv and every cache; never touches PUMASI_HOME
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache \
		dbt_project/target dbt_project/logs *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamp makes this a no-op until requirements.lock or pyproject.toml changes.
ifdef UV
$(INSTALLED): requirements.lock pyproject.toml
	@test -x $(VENV)/bin/python || uv venv --quiet --python '>=3.11,<3.13' $(VENV)
	@uv pip install --quiet --python $(VENV)/bin/python --require-hashes -r requirements.lock
	@uv pip install --quiet --python $(VENV)/bin/python --no-deps --no-build-isolation -e .
	@touch $@
else
# The lock is complete, so pip needn't resolve: without --no-deps it refuses extras (gql[requests]).
# Tries the interpreters that may be there until one runs, is 3.11 or 3.12, and can make a venv.
USABLE := import ensurepip, sys; sys.exit(sys.version_info[:2] not in ((3, 11), (3, 12)))
PIP := $(VENV)/bin/python -m pip --quiet --disable-pip-version-check --require-virtualenv

$(INSTALLED): requirements.lock pyproject.toml
	@test -x $(VENV)/bin/python || for python in python3.12 python3.11 python3 python none; do \
		if [ $$python = none ]; then \
			echo "Pumasi needs Python 3.11 or 3.12 that can make a virtual environment;" \
				"on Debian: apt-get install python3 python3-venv" >&2; exit 1; \
		elif $$python -c "$(USABLE)" 2>/dev/null; then $$python -m venv $(VENV); break; fi; \
	done
	@$(VENV)/bin/python -m ensurepip >/dev/null
	@$(PIP) install --no-deps --require-hashes -r requirements.lock
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@
endif
