# Each target that needs the environment makes it first, from pyproject.toml and constraints.txt.

PYTHON ?= $(shell for python in python3.11 python3.12 python3.13 python3; do \
	$$python -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' 2>/dev/null \
	&& echo $$python && break; done)
WORKERS ?= 2

BIN := .venv/bin
READY := .venv/.installed
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

export MLFLOW_DISABLE_TELEMETRY := true
export DO_NOT_TRACK := 1
export HF_HUB_OFFLINE := 1
export TOKENIZERS_PARALLELISM := false

.DEFAULT_GOAL := help
.PHONY: help install demo test lint types format slow clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' Makefile

install: $(READY)  ## create .venv from the lock

demo: $(READY)  ## train, certify, explain and register a small coder on synthetic notes
	$(BIN)/python scripts/demo.py

test: lint types  ## lint, types and every test but the slow ones
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m "not slow" -n $(WORKERS) --dist loadfile

slow: $(READY)  ## the slow proofs
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m slow -n $(WORKERS)

lint: $(READY)  ## ruff check and ruff format --check
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY)  ## mypy
	$(BIN)/mypy

format: $(READY)  ## mend what ruff can mend
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:  ## remove .venv and caches; runs, artifacts and mlflow.db stay
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis

# torch goes first and alone, so that a CPU build at hand is taken; the default build on Linux
# brings CUDA. The stamp comes last: an interrupted installation is taken up again.
$(READY): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "surecode needs Python 3.11, 3.12 or 3.13: make PYTHON=/path/to/python"; exit 2; }
	@echo "[1/3] .venv with $$($(PYTHON) --version)"
	@test -x $(BIN)/pip || $(PYTHON) -m venv .venv
	@echo "[2/3] torch (about a minute)"
	@$(PIP) "$$(grep '^torch==' constraints.txt)"
	@echo "[3/3] everything else, as constraints.txt has it (about three minutes)"
	@$(PIP) --constraint constraints.txt --editable ".[test,dev,dvc,slurm]"
	@touch $@
