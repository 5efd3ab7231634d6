# `make demo` and `make test` work on a fresh machine that has Python 3.11 or newer.

PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed
PIP := $(BIN)/python -m pip install -qq --disable-pip-version-check --constraint constraints.txt
SHELL_SCRIPTS := .ci/run $(wildcard recipes/*.sh recipes/*/*.sh tests/*/*.sh)

.DEFAULT_GOAL := help
.PHONY: help demo test docs format clean

help:
	@echo 'make demo    train, decode and rescore the embedded example, and print its tables'
	@echo 'make test    the whole gate: format, lint, types, shell scripts, tests'
	@echo 'make docs    build the documentation into site/'
	@echo 'make format  format the Python code'
	@echo 'make clean   remove .venv, caches and what the recipes made'

demo: $(INSTALLED)
	PATH="$(CURDIR)/$(BIN):$$PATH" recipes/numbers_en_fr/run.sh
	@echo 'to talk to a model that it trained:'
	@echo '  $(BIN)/s2s decode --model recipes/numbers_en_fr/work/train/reversed-1'

test: $(INSTALLED)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/shellcheck --external-sources $(SHELL_SCRIPTS)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses auto --dist loadfile \
		--no-loadscope-reorder

docs: $(INSTALLED)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

format: $(INSTALLED)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf .venv build dist site *.egg-info .mypy_cache .ruff_cache .pytest_cache recipes/*/work
	find . -name __pycache__ -prune -exec rm -rf {} +

# The mark comes last, so an installation that broke off is made anew.
# setuptools goes first: the package is built by the pinned one, not by whichever is newest.
$(INSTALLED): constraints.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo 'Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11 ...' >&2; exit 1; }
	@echo 'installing into .venv; the first time takes a few minutes'
	@$(PYTHON) -m venv --clear .venv
	@$(PIP) setuptools
	@$(PIP) --no-build-isolation --editable '.[dev]'
	@touch $(INSTALLED)
