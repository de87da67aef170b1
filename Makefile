# `make demo` and `make test` do all the set-up: they install into .venv and run there.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help demo test test-slow lint format bench docs graphs clean

help:  ## what there is to make
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Vitruvian needs Python 3.11 or newer; $(PYTHON) is older. Try: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet --editable '.[dev]'
	@touch $@

demo: $(STAMP)  ## finds the people of the example photos; ends by saying where the pictures are
	$(BIN)/vitruvian analyze examples/photos --out demo --overwrite

test: $(STAMP)  ## the tests
	$(BIN)/python -m pytest -n auto

test-slow: $(STAMP)  ## the tests that take minutes
	$(BIN)/python -m pytest -n auto -m slow

lint: $(STAMP)  ## format, lint, types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: $(STAMP)  ## puts the code into its form
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(STAMP)  ## the speed of the main job, stage by stage, beside its peers
	$(BIN)/vitruvian bench analyze

docs: $(STAMP)  ## writes what the cards say into README.md
	$(BIN)/python scripts/make_tables.py

graphs: $(STAMP)  ## makes the ONNX graphs of the embedded networks anew
	$(BIN)/python scripts/make_graphs.py

clean:  ## removes the environment and what runs have made
	rm -rf $(VENV) demo dist build
