# Every target sets up what it needs: Python 3.11 or newer, Git, make and a package index suffice.
PYTHON ?= python3
PARALLEL ?= 2
VENV := .venv/bin
TORCH := torch==2.13.0
UV := $(shell command -v uv 2>/dev/null || echo .uv/bin/uv)
export UV_PYTHON_DOWNLOADS := never
export PATH := $(PATH):$(CURDIR)/.uv/bin
unexport PYTHONDONTWRITEBYTECODE
.DEFAULT_GOAL := help

.PHONY: help setup demo test check fix bench clean

help: ## say what there is
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/'

.uv/bin/uv:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "tidemill needs Python 3.11 or newer: make PYTHON=python3.11 ...")'
	$(PYTHON) -m venv .uv
	.uv/bin/python -m pip install --quiet --disable-pip-version-check 'uv>=0.11,<1'

# PyTorch's CPU build: a wheel that pip knows on this machine, else the one that uv finds by its name.
.venv/.ready: pyproject.toml uv.lock | $(filter .uv/bin/uv,$(UV))
	$(UV) sync --locked --all-extras --no-install-package torch --inexact --compile-bytecode \
	    --python $(PYTHON) --quiet
	$(UV) pip show --quiet --python .venv torch 2>/dev/null || $(MAKE) --no-print-directory torch
	@touch $@

.PHONY: torch
torch:
	$(PYTHON) -m pip --python .venv/bin/python install --quiet --no-deps --no-index $(TORCH) 2>/dev/null \
	    || $(UV) pip install --quiet --python .venv --no-deps --torch-backend cpu $(TORCH)

setup: .venv/.ready ## make the environment from the lock file

# The demo runs in what a user has: tidemill with its extra and the data, none of our own tools.
.demo/.ready: pyproject.toml uv.lock | $(filter .uv/bin/uv,$(UV))
	UV_PROJECT_ENVIRONMENT=.demo $(UV) sync --locked --extra lightgbm --no-default-groups \
	    --group examples --compile-bytecode --python $(PYTHON) --quiet
	@touch $@

demo: .demo/.ready ## the year of flights, from raw files to a watched and retrained model
	.demo/bin/python examples/flights/demo.py

test: setup ## run the tests
	$(VENV)/python -m pytest -n $(PARALLEL) --dist loadgroup -q

check: setup ## lint, format, types, layers, sizes
	$(VENV)/ruff check .
	$(VENV)/ruff format --check .
	$(VENV)/mypy
	$(VENV)/lint-imports
	$(VENV)/python -m pytest -q tests/architecture

fix: setup ## repair what a machine can repair
	$(VENV)/ruff check --fix .
	$(VENV)/ruff format .

bench: setup ## measure what bench/README.md states
	$(VENV)/python bench/all.py

clean: ## forget environments and caches, never a project's record
	rm -rf .venv .demo .uv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
