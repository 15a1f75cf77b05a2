# Everything a user or a developer runs. Needs only git, make and Python 3.11 or newer: each target makes the environment
# it needs in $(VENV), or brings it up to date when pyproject.toml or constraints.txt has changed.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules --no-print-directory

VENV ?= .venv
# The first Python new enough, unless PYTHON=... says which.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python; do \
	"$$p" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo "$$p"; break; }; done)
BIN := $(VENV)/bin
# It says what it collects and downloads: hundreds of megabytes take minutes. On standard error, beside the answer.
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input
# One BLAS thread: more of them only wait for each other on small matrices.
export OPENBLAS_NUM_THREADS := 1
# torch too, in the tests: the models there are tiny.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q
# One worker for each core.
PARALLEL := -n logical
# What holds the kernels against an oracle or a law runs without the compiler too: coverage sees inside, and an index out of
# range raises. The rest is about no kernel, or takes minutes in plain Python: one run of it is enough.
PLAIN := tests/reference tests/property $(addprefix tests/contract/test_,indicator_contract.py detector_contract.py \
	multivariate_contract.py spatial_contract.py) $(addprefix tests/unit/test_,$(addsuffix .py,kernels_kendall \
	kernels_moments kernels_smooth kernels_random independence complexity models jacobian))

# What the calling shell may have set and no target should depend on.
unexport PYTHONPATH PYTHONHOME PYTHONSTARTUP VIRTUAL_ENV NUMBA_DISABLE_JIT
export MPLBACKEND := Agg

.PHONY: help
help:  ## what can be made
	@sed -nE 's/^([a-z]+):.*## (.*)/  make \1\t\2/p' Makefile | expand -t 20

# ---- the environment: one stamp for each set of packages -----------------------------------------------------------

$(BIN)/python:
	@[ -n "$(PYTHON)" ] || { echo "make: needs Python 3.11 or newer with venv and pip (on Debian and Ubuntu: apt install python3-venv), or PYTHON=/path/to/it" >&2; exit 1; }
	@echo "making the environment $(VENV)" >&2
	@"$(PYTHON)" -m venv "$(VENV)"

$(VENV)/.installed-core: pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing earlywarning (versions: constraints.txt)" >&2
	@$(PIP) install --constraint constraints.txt --editable . >&2
	@touch $@

$(VENV)/.installed-%: pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing earlywarning[$*] (versions: constraints.txt)" >&2
	@$(PIP) install --constraint constraints.txt --editable '.[$*]' >&2
	@touch $@

# ---- what users run ------------------------------------------------------------------------------------------------

.PHONY: demo
demo: $(VENV)/.installed-core  ## the main job on a real series: prints the report, writes the figure to demo-output/
	@$(BIN)/ews demo --output demo-output --force

.PHONY: test
test: $(VENV)/.installed-dev  ## the whole suite: doctests, plain Python (JIT off), compiled and language models
	@failed=0; \
	echo "== examples in docstrings and guide" >&2; \
	$(PYTEST) $(PARALLEL) --doctest-modules --doctest-glob='*.rst' ews adapters docs/guide || failed=1; \
	echo "== kernels as plain Python (NUMBA_DISABLE_JIT=1)" >&2; \
	NUMBA_DISABLE_JIT=1 $(PYTEST) $(PARALLEL) -m "not slow and not jit" $(PLAIN) \
		--ignore=tests/property/test_tables_properties.py || failed=1; \
	echo "== compiled, language models, and the built wheel" >&2; \
	$(PYTEST) $(PARALLEL) -m "not slow" || failed=1; \
	exit $$failed

.PHONY: versions
versions: $(VENV)/.installed-dev  ## language models under the oldest and the newest transformers that are allowed
	@.ci/versions "$(VENV)"

# ---- what developers run -------------------------------------------------------------------------------------------

.PHONY: check
check: $(VENV)/.installed-dev  ## ruff (lint and format), mypy --strict, import contracts, docstrings
	@failed=0; run() { echo "== $$*" >&2; "$$@" || failed=1; }; \
	run $(BIN)/ruff check --output-format concise .; \
	run $(BIN)/ruff format --check .; \
	run $(BIN)/mypy --strict ews adapters; \
	run $(BIN)/lint-imports --no-logo; \
	run $(BIN)/python .ci/docstrings.py; \
	exit $$failed

.PHONY: fuzz
fuzz: $(VENV)/.installed-dev  ## 2,200 calls at random of API, command line and policy loading: each runs, or is refused in the library's words
	@OMP_NUM_THREADS=1 $(BIN)/python -m tests.fuzz

.PHONY: bench
bench: $(VENV)/.installed-bench  ## speed against peers in one run; writes docs/generated/
	@$(BIN)/python -m benchmarks

.PHONY: evidence
evidence: $(VENV)/.installed-dev $(VENV)/.installed-bench  ## long runs: slow tests, and the table of verdicts on real series in docs/generated/
	@$(PYTEST) -m slow
	@$(BIN)/python -m benchmarks.evidence
	@$(BIN)/python -m benchmarks.llm

.PHONY: docs
docs: $(VENV)/.installed-docs  ## the documentation, warnings being errors, then its doctests
	@$(BIN)/sphinx-build -q -W --keep-going -n -b html docs docs/_build/html
	@$(BIN)/sphinx-build -q -W --keep-going -b doctest docs docs/_build/doctest
	@echo "docs/_build/html/index.html"

.PHONY: clean
clean:  ## remove what the other targets made, the environment included
	rm -rf "$(VENV)" build dist demo-output docs/_build docs/gallery docs/sg_execution_times.rst docs/api/generated \
		.mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
