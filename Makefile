# Needs Python 3.11 or newer and make; everything else goes into .venv. `make` alone lists the targets.
# On Windows, or without make, CONTRIBUTING.md has the same as pip commands.

# The first interpreter that runs and is new enough; name another one by `make setup PYTHON=/path/to/python`.
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3 python; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && { echo $$p; break; }; done)
# More arguments for pip, such as an index with CPU builds of torch.
PIP_ARGS ?=
# More arguments for pytest: `make test PYTEST_ARGS="-x -k sampling"`.
PYTEST_ARGS ?=
# Figures of other implementations, and the generated full-size weights, outside the repository: see tests/parity.
PARITY_FIGURES ?=
PARITY_WEIGHTS ?=
# How many tests run at once, each on one core: torch's threads would only fight over the cores.
JOBS ?= 2

BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check $(PIP_ARGS) -c constraints.txt
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(JOBS) --dist loadfile
PLUGINS := $(patsubst %/pyproject.toml,%,$(wildcard plugins/*/pyproject.toml))

# Installed environments are stamped with a checksum of what they were made from, so that a second run has nothing to
# do, and a changed pin or a new plugin is seen whatever the clock says.
CORE := .venv/core-$(shell cat pyproject.toml constraints.txt | cksum | cut -d' ' -f1)
FULL := .venv/full-$(shell cat pyproject.toml constraints.txt $(wildcard plugins/*/pyproject.toml) | cksum | cut -d' ' -f1)

.DEFAULT_GOAL := help
.PHONY: help setup demo test quick parity lint docs bench train-tiny constraints clean

help:  ## list what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' Makefile

$(CORE):
	@[ -n "$(PYTHON)" ] || { echo "sdkit needs Python 3.11 or newer; none of python3.11, python3.12, python3.13, python3, \
	python on the PATH is. Install one, or name it: make setup PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "sdkit needs Python 3.11 or newer; \
	$(PYTHON) is `$(PYTHON) --version 2>&1`" >&2; exit 1; }
	@echo "installing sdkit into .venv (the first time this downloads torch)"
	@[ -x $(BIN)/python ] || $(PYTHON) -m venv .venv
	@$(PIP) hatchling editables
	@$(PIP) --no-build-isolation -e .
	@rm -f .venv/core-* && touch $@

$(FULL): $(CORE)
	@echo "installing the development tools$(if $(PLUGINS), and $(notdir $(PLUGINS)))"
	@$(PIP) --no-build-isolation -e '.[dev,docs]' $(addprefix -e ,$(PLUGINS))
	@rm -f .venv/full-* && touch $@

setup: $(FULL)  ## make .venv: sdkit, every package in plugins/, the development tools
	@echo "ready: $(BIN)/sdkit --help"

demo: $(CORE)  ## draw a picture with the model in the box
	@mkdir -p out
	@$(BIN)/sdkit generate "a red circle on a blue background" --seed 7 -o out/demo.png --overwrite
	@echo "your picture: $(CURDIR)/out/demo.png"

test: $(FULL)  ## everything that has to hold
	@failed=""; \
	$(MAKE) --no-print-directory lint || failed="$$failed lint"; \
	$(MAKE) --no-print-directory docs || failed="$$failed docs"; \
	$(PYTEST) $(PYTEST_ARGS) || failed="$$failed pytest"; \
	[ -z "$$failed" ] || { echo "failed:$$failed (see above)" >&2; exit 1; }

quick: $(FULL)  ## the tests that take seconds, nothing else
	@$(PYTEST) -m "not slow" $(PYTEST_ARGS)

lint: $(FULL)  ## style, types, layers
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/basedpyright --pythonpath $(BIN)/python

parity: $(FULL)  ## compare with figures made with full-size weights; PARITY_FIGURES and PARITY_WEIGHTS name their folders
	@SDKIT_PARITY_FIGURES="$(PARITY_FIGURES)" SDKIT_PARITY_WEIGHTS="$(PARITY_WEIGHTS)" \
	$(BIN)/python -m pytest -m parity tests/parity $(PYTEST_ARGS)

docs: $(FULL)  ## build the site into docs/_build/html; a warning is an error
	@$(BIN)/python -m sphinx -b html -W --keep-going -q docs docs/_build/html
	@echo "the site: docs/_build/html/index.html"

bench: $(FULL)  ## measure: speed, overhead, how well the model in the box draws
	@for bench in $(wildcard benchmarks/[a-z]*.py); do echo "── $$bench"; $(BIN)/python $$bench || exit 1; done

train-tiny: $(FULL)  ## train the model in the box from nothing; goes on where it was interrupted
	@$(BIN)/python -m training

constraints: $(FULL)  ## pin again what is installed in .venv
	@{ sed -n '/^#/p' constraints.txt; $(BIN)/python -m pip freeze --exclude-editable | sed 's/+cpu$$//'; } > constraints.new
	@mv constraints.new constraints.txt

clean:  ## remove everything that make made, but not the pictures in out/
	@rm -rf .venv build dist docs/_build .pytest_cache .ruff_cache .import_linter_cache
	@find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +
