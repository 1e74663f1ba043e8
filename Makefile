# Each target is one visible line. Needs Python >= 3.11, make and a package index.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: help demo test check bench soak requests mutants safety fuzz emulator hardware mechanics clean

help:
	@echo "make demo      watch a whole session on a virtual board, in a few seconds"
	@echo "make test      run the tests"
	@echo "make check     lint, types, MicroPython's compiler, generated documents"
	@echo "make bench     measure, print the figures, write build/bench.json; ARGS=PART for one part"
	@echo "make soak      a simulated day of telemetry: losses and memory; takes half an hour"
	@echo "make requests  a hundred thousand requests in each state: does the heap grow? takes minutes"
	@echo "make mutants   break the safety modules piece by piece: do the tests notice?"
	@echo "make safety    measure what the safety case quotes; takes an hour"
	@echo "make fuzz      start from 20,000 random flash contents; takes half an hour"
	@echo "make hardware  check schematics, board, interlock, harness; installs KiCad 9 where it may"
	@echo "make mechanics build the massager's solids and check them; installs CadQuery, 2 GB"
	@echo "make emulator  all tests on the emulated Pico; needs a MicroPython image"
	@echo "make clean     remove .venv and build"

$(VENV)/installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@

demo: $(VENV)/installed
	$(BIN)/knead demo --picture build/demo.svg

test: $(VENV)/installed
	$(BIN)/python -m pytest -n 3 --dist loadgroup -m 'not emulator_long and not kicad'

emulator: $(VENV)/installed
	$(BIN)/python -m pytest tests/emulator

check: $(VENV)/installed
	$(BIN)/python tests/check.py

bench: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[bench]'
	$(BIN)/python tests/bench/bench.py $(ARGS)

soak: $(VENV)/installed
	$(BIN)/python tests/bench/bench.py soak

requests: $(VENV)/installed
	MICROPYPATH=tests/firmware:firmware:.frozen $(BIN)/micropython -X heapsize=350496 \
		tests/micropython/requests_heap.py 100000

mutants: $(VENV)/installed
	$(BIN)/python tests/mutants/run.py $(ARGS)

safety: $(VENV)/installed
	$(BIN)/python tests/safety/run.py $(ARGS)

fuzz: $(VENV)/installed
	$(BIN)/python tests/safety/fuzz.py $(ARGS)

hardware: $(VENV)/installed
	$(PYTHON) hardware/install.py
	$(BIN)/python -m hardware.run $(ARGS)
	$(BIN)/python -m pytest -q -m kicad tests/unit/test_hardware_kicad.py

mechanics: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[mechanics]'
	$(BIN)/python -m hardware.mechanics.check --cad $(ARGS)

clean:
	rm -rf $(VENV) build dist
