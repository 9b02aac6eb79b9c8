# make demo: train and search on the embedded data, and draw demo/front.png.   make test: the tests.
# make lint: ruff and mypy.   make docs: the documentation as a site, build/docs/index.html.
# Each makes the virtual environment it needs, once, and again where pyproject.toml or constraints.txt have changed.
# Another interpreter: make test PYTHON=python3.13

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.PHONY: demo test lint docs clean help

USABLE := import ensurepip, sys, venv; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))
CANDIDATES := python3 python3.13 python3.12 python3.11 python
PYTHON ?= $(shell for p in $(CANDIDATES); do "$$p" -c '$(USABLE)' 2>/dev/null && { echo "$$p"; break; }; done; true)

VENV ?= .venv
BIN = $(VENV)/bin
PIP_INSTALL = $(BIN)/python -m pip install --disable-pip-version-check -c constraints.txt

# Stamps inside the environment, named by a hash of what they depend on: the interpreter and place; the requirements.
MADE := $(VENV)/.made-$(shell { "$(PYTHON)" -VV || true; pwd; } 2>&1 | cksum | tr ' ' -)
REQUIREMENTS := $(shell cat pyproject.toml constraints.txt plugins/*/pyproject.toml | cksum | tr ' ' -)
INSTALLED := $(VENV)/.installed-$(REQUIREMENTS)
INSTALLED_DOCS := $(VENV)/.installed-docs-$(REQUIREMENTS)
INSTALLED_DEV := $(VENV)/.installed-dev-$(REQUIREMENTS)

help:
	@sed -n '1,4s/^# //p' Makefile

demo: $(INSTALLED)
	mkdir -p demo
	cd demo && export PATH="$(abspath $(BIN)):$$PATH" && unset ASPK_RUNS && set -x \
	  && aspk train quickstart && aspk search --front front.png && aspk report
	@echo "the Pareto front: $(abspath demo/front.png)"

# Files in their order: those that run longest do not come last.
test: $(INSTALLED_DEV)
	$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder $(PYTEST_ARGS)

lint: $(INSTALLED_DEV)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(INSTALLED_DOCS)
	rm -rf build/docs
	$(BIN)/python -m sphinx --fail-on-warning --keep-going --quiet -c docs -d build/doctrees . build/docs
	@echo "the site: $(abspath build/docs/index.html)"

clean:
	rm -rf $(VENV) demo build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis

$(MADE):
	@test -n "$(PYTHON)" || { echo 'error: no Python 3.11 to 3.13 with venv here: install one, or add PYTHON=...' >&2; exit 2; }
	@"$(PYTHON)" -c '$(USABLE)' || { echo 'error: $(PYTHON) is not Python 3.11 to 3.13 with venv' >&2; exit 2; }
	"$(PYTHON)" -m venv --clear $(VENV)
	touch $@

$(INSTALLED): $(MADE)
	$(PIP_INSTALL) -e .
	touch $@

$(INSTALLED_DOCS): $(INSTALLED)
	$(PIP_INSTALL) -e '.[docs]'
	touch $@

$(INSTALLED_DEV): $(INSTALLED)
	$(PIP_INSTALL) -e '.[dev]' -e plugins/aspk-parquet -e plugins/aspk-ray
	touch $@ $(INSTALLED_DOCS)
