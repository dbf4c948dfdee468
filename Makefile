# Every target builds what it needs first, from a clean clone, with python3 (3.11 or later), its venv module, git and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: install test check bench run show lock clean

install: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml requirements.lock
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --editable .
	touch $@

# Unit, contract and lab tests. Lab tests need root and Debian packages; what is missing is named and skipped.
test: install
	$(BIN)/python -m pytest -m "not long" $(ARGS)

check: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# What takes minutes: the long scenarios of tests/lab.
show: install
	$(BIN)/python -m pytest -m long $(ARGS)

bench: install
	$(BIN)/python -m tests.bench $(ARGS)

run: install
	$(BIN)/sonda run --config config/example.toml

# Writes requirements.lock anew from pyproject.toml.
lock:
	$(PYTHON) -m venv $(VENV)-lock
	$(VENV)-lock/bin/pip install --quiet pip-tools
	$(VENV)-lock/bin/pip-compile --quiet --strip-extras --extra dev --allow-unsafe --no-emit-index-url \
		--no-emit-trusted-host --no-emit-find-links --output-file requirements.lock pyproject.toml
	rm -rf $(VENV)-lock

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
