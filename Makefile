# Every target sets itself up: a virtual environment with the pinned versions of constraints.txt.
# One of another Python beside it: `make PYTHON=python3.12 VENV=.venv312 test`.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
SOURCES := pyproject.toml constraints.txt

.PHONY: demo test lint format bench lessons docs clean

demo: $(VENV)/gradus  ## train on the handwritten digits and write report.html
	$(BIN)/python examples/demo.py

test: $(VENV)/tests  ## run the test suite
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

lint: $(VENV)/lint  ## check style and types
	$(BIN)/ruff check src tests benchmarks examples
	$(BIN)/ruff format --check src tests benchmarks examples
	$(BIN)/mypy

format: $(VENV)/lint
	$(BIN)/ruff format src tests benchmarks examples
	$(BIN)/ruff check --fix src tests benchmarks examples

bench: $(VENV)/bench  ## run every benchmark
	for claim in cold_start memory epoch_speed time_to_accuracy network_speed \
		cnn_quality defaults_quality sweep_speed sweep_size sweep_quality; do \
		$(BIN)/python benchmarks/$$claim.py || exit 1; \
	done

lessons: $(VENV)/gradus  ## run every lesson at full size and write the course into docs/site/lessons
	$(BIN)/gradus lessons --build docs/site/lessons

docs: $(VENV)/docs  ## write the API's pages, from the docstrings, into docs/site
	$(BIN)/pdoc --docformat google --output-directory docs/site gradus gradus.nn gradus.objectives gradus.optim \
		gradus.data gradus.train gradus.models gradus.report gradus.apps

clean:
	rm -rf $(VENV) build docs/site report.html

$(VENV)/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "gradus needs Python 3.11 or newer")'
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/gradus: $(VENV)/python $(SOURCES)
	$(PIP) -e .
	@touch $@

$(VENV)/tests: $(VENV)/gradus
	$(PIP) -e '.[test]'
	@touch $@

$(VENV)/lint: $(VENV)/gradus
	$(PIP) -e '.[lint]'
	@touch $@

$(VENV)/docs: $(VENV)/gradus
	$(PIP) -e '.[docs]'
	@touch $@

$(VENV)/bench: $(VENV)/gradus
	$(PIP) -e '.[bench]'
	@touch $@
