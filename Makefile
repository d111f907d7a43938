# Every target sets itself up: a virtual environment with the pinned versions of constraints.txt.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
SOURCES := pyproject.toml constraints.txt
CODE := src tests benchmarks examples docs

.PHONY: demo test lint format hooks bench lessons docs changelog clean

demo: .venv/gradus  ## train on the handwritten digits and write report.html
	$(BIN)/python examples/demo.py

test: .venv/tests  ## run the test suite
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

lint: .venv/lint  ## check style and types
	$(BIN)/ruff check $(CODE)
	$(BIN)/ruff format --check $(CODE)
	$(BIN)/mypy

format: .venv/lint
	$(BIN)/ruff format $(CODE)
	$(BIN)/ruff check --fix $(CODE)

hooks: .venv/dev .venv/lint  ## check style and types before each commit
	$(BIN)/pre-commit install

bench: .venv/bench  ## run every benchmark and write its figures into README.md and docs/performance.md
	$(BIN)/python benchmarks/figures.py --run

lessons: .venv/gradus  ## run every lesson at full size and write the course into docs/site/lessons
	$(BIN)/gradus lessons --build docs/site/lessons

docs: .venv/docs  ## write the documentation site into docs/site; it links the lessons if they are there
	$(BIN)/python docs/build.py

VERSION ?= $(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
changelog: .venv/dev  ## gather the fragments in changes/ into CHANGELOG.md; VERSION= overrides
	$(BIN)/towncrier build --yes --version $(VERSION)

clean:
	rm -rf .venv build docs/site report.html

.venv/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "gradus needs Python 3.11 or newer")'
	$(PYTHON) -m venv .venv
	@touch $@

.venv/gradus: .venv/python $(SOURCES)
	$(PIP) -e .
	@touch $@

.venv/tests: .venv/gradus
	$(PIP) -e '.[test]'
	@touch $@

.venv/lint: .venv/gradus
	$(PIP) -e '.[lint]'
	@touch $@

.venv/docs: .venv/gradus
	$(PIP) -e '.[docs]'
	@touch $@

.venv/dev: .venv/gradus
	$(PIP) -e '.[dev]'
	@touch $@

.venv/bench: .venv/gradus
	$(PIP) -e '.[bench]'
	@touch $@
