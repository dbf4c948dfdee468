# Every target builds what it needs first, from a clean clone, with python3 (3.11 or later), its venv module, git and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

DEMO := $(VENV)/.installed-demo
COMPILE = $(VENV)-lock/bin/pip-compile --quiet --strip-extras --allow-unsafe --generate-hashes --no-emit-index-url \
	--no-emit-trusted-host --no-emit-find-links
# What is downloaded is what was looked at: every file has its hash in a lock, and one without is not installed.
PIP = $(BIN)/pip install --quiet --disable-pip-version-check

.PHONY: install test check bench run show mutation lock clean

install: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml requirements.lock
	@echo "Installing what Sonda needs into $(VENV), once; this takes a minute or two."
	$(PYTHON) -m venv $(VENV)
	$(PIP) --require-hashes -r requirements.lock
	PYTHONWARNINGS=ignore $(PIP) --no-deps --editable .
	touch $@

# What `sonda demo` needs besides: its broker and the SNMP of its devices.
$(DEMO): requirements-demo.lock $(VENV)/.installed
	$(PIP) --require-hashes -r requirements-demo.lock
	touch $@

# Unit, contract and lab tests, in two processes side by side: most of the time a test waits. Lab tests need root and
# Debian packages; what is missing is named and skipped.
WORKERS ?= 2
test: install $(DEMO)
	$(BIN)/python -m pytest -m "not long" -n $(WORKERS) --dist worksteal $(ARGS)

check: install $(DEMO)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# What takes minutes: the long scenarios of tests/lab.
show: install $(DEMO)
	$(BIN)/python -m pytest -m long $(ARGS)

# Small faults at random, and whether the tests notice them: half an hour. cosmic-ray has an environment of its own.
mutation: install $(DEMO) $(VENV)-mutation/.installed
	$(BIN)/python -m tests.mutation $(ARGS)

$(VENV)-mutation/.installed: requirements-mutation.lock
	$(PYTHON) -m venv $(VENV)-mutation
	$(VENV)-mutation/bin/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-mutation.lock
	touch $@

bench: install
	$(BIN)/python -m tests.bench $(ARGS)

run: install $(DEMO)
	$(BIN)/sonda demo $(ARGS)

# Writes the locks anew from pyproject.toml: for work on it, for the demo, (run) for the service and the container, and
# of what makes the faults.
lock:
	$(PYTHON) -m venv $(VENV)-lock
	$(VENV)-lock/bin/pip install --quiet pip-tools
	$(COMPILE) --extra dev --output-file requirements.lock pyproject.toml
	$(COMPILE) --extra demo --constraint requirements.lock --output-file requirements-demo.lock pyproject.toml
	$(COMPILE) --constraint requirements.lock --output-file requirements-run.lock pyproject.toml
	echo 'cosmic-ray>=8.7,<9' | $(COMPILE) --output-file requirements-mutation.lock -
	rm -rf $(VENV)-lock

clean:
	rm -rf $(VENV) $(VENV)-mutation build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
