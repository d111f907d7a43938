# Every target sets itself up: a virtual environment with the pinned versions of constraints.txt.
# A second Python beside it: `make PYTHON=python3.12 VENV=.venv312 test`.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
NATIVE := $(wildcard src/gradus/kernels/native/*.* src/gradus/kernels/native/*/*)
SOURCES := pyproject.toml setup.py constraints.txt $(NATIVE)
CODE := src tests benchmarks examples docs setup.py

.PHONY: demo test quick fuzz sanitize lint format hooks bench lessons docs changelog clean

demo: $(VENV)/gradus  ## train on the handwritten digits and write report.html
	$(BIN)/python examples/demo.py

# Some hundred processes import gradus: its bytecode is kept, whatever the environment says.
TEST := PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

test: $(VENV)/tests  ## run the test suite
	$(TEST)

quick: $(VENV)/tests  ## run the tests that are not marked slow, in less than a minute
	$(TEST) -m "not slow"

fuzz: $(VENV)/tests $(VENV)/fuzz  ## try many altered files and odd calls, for some minutes
	GRADUS_FUZZ_EXAMPLES=2000 $(BIN)/python -m pytest -n 2 tests/fuzz
	if $(BIN)/python -c 'import atheris'; then for target in table json idx record experiment; do \
		$(BIN)/python tests/fuzz/guided.py $$target -max_total_time=60 -max_len=2000 || exit 1; \
		done; fi

SANITIZED := build/sanitized/libgradus_kernels.so.1
HEADERS = $(shell $(BIN)/python -c 'import jax; print(jax.ffi.include_dir())')
CXXFLAGS := -std=c++17 -pthread -fno-math-errno -Wall -Wextra -Werror -fPIC -shared

sanitize: $(VENV)/gradus  ## call the native kernels with random shapes under Address- and UBSanitizer
	mkdir -p $(dir $(SANITIZED))
	$(CXX) $(CXXFLAGS) -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all \
		-isystem $(HEADERS) src/gradus/kernels/native/native.cc -o $(SANITIZED)
	for instructions in on baseline; do GRADUS_KERNELS=$$instructions \
		LD_PRELOAD="$$($(CXX) -print-file-name=libasan.so) $$($(CXX) -print-file-name=libstdc++.so)" \
		ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=print_stacktrace=1 \
		$(BIN)/python tests/fuzz/native_kernels.py $(SANITIZED) 60 || exit 1; done

# Benchmarks are checked for names that are gone, less strictly for types.
LOOSE := arg-type assignment call-overload index method-assign var-annotated

lint: $(VENV)/lint  ## check style and types
	$(BIN)/ruff check $(CODE)
	$(BIN)/ruff format --check $(CODE)
	$(BIN)/clang-format --dry-run --Werror $(NATIVE)
	$(BIN)/mypy
	$(BIN)/mypy --no-strict-optional $(addprefix --disable-error-code=,$(LOOSE)) benchmarks/*.py benchmarks/doctor/*.py

format: $(VENV)/lint
	$(BIN)/ruff format $(CODE)
	$(BIN)/clang-format -i $(NATIVE)
	$(BIN)/ruff check --fix $(CODE)

hooks: $(VENV)/dev $(VENV)/lint  ## check style and types before each commit
	$(BIN)/pre-commit install

bench: $(VENV)/bench  ## run every benchmark and write its figures into README.md and docs/performance.md
	$(BIN)/python benchmarks/figures.py --run

lessons: $(VENV)/gradus  ## run every lesson at full size and write the course into docs/site/lessons
	$(BIN)/gradus lessons --build docs/site/lessons

docs: $(VENV)/docs  ## write the documentation site into docs/site; it links the lessons if they are there
	$(BIN)/python docs/build.py

VERSION ?= $(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
changelog: $(VENV)/dev  ## gather the fragments in changes/ into CHANGELOG.md; VERSION= overrides
	$(BIN)/towncrier build --yes --version $(VERSION)

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

$(VENV)/fuzz: $(VENV)/gradus
	$(PIP) -e '.[fuzz]'
	@touch $@

$(VENV)/lint: $(VENV)/gradus
	$(PIP) -e '.[lint]'
	@touch $@

$(VENV)/docs: $(VENV)/gradus
	$(PIP) -e '.[docs]'
	@touch $@

$(VENV)/dev: $(VENV)/gradus
	$(PIP) -e '.[dev]'
	@touch $@

$(VENV)/bench: $(VENV)/gradus
	$(PIP) -e '.[bench]'
	@touch $@
