# demo · test · check · bench · emulator: each one visible line. Needs Python >= 3.11, make and a package index.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test check bench emulator clean

$(VENV)/installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@

demo: $(VENV)/installed
	$(BIN)/knead demo

test: $(VENV)/installed
	$(BIN)/python -m pytest -n 2 --dist loadgroup -m 'not emulator_long'

emulator: $(VENV)/installed
	$(BIN)/python -m pytest tests/emulator

check: $(VENV)/installed
	$(BIN)/python tests/check.py

bench: $(VENV)/installed
	$(BIN)/python tests/bench/run.py

clean:
	rm -rf $(VENV) build dist
