# Every target works as the only command on a fresh clone: it makes .venv and
# installs what it needs first. Only Python >= 3.10 and make are required.
PYTHON ?= python3
# Two workers halve the suite on two cores; each computes with one thread, because
# torch would otherwise start a thread per core in every worker.
WORKERS ?= 2
PYTEST_ARGS ?=

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test tutorials check format format-check lint types doctest docs bench clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(VENV)/demo.stamp ## Train, explain, leave pictures and a table in demo_output/
	$(BIN)/python tutorials/demo.py

test: $(VENV)/test.stamp ## Run the tests, and every example of the docstrings and docs
	$(PYTEST) $(PYTEST_ARGS)

tutorials: $(VENV)/demo.stamp ## Run every tutorial; each asserts what it claims
	$(BIN)/python tutorials/demo.py
	$(BIN)/python tutorials/grouped_measurements.py
	$(BIN)/python tutorials/valuation_with_pydvl_names.py
	$(BIN)/python tutorials/influence_with_pydvl_names.py

check: format-check lint types test ## Everything a commit must pass (test runs the examples too)

format: $(VENV)/check.stamp ## Rewrite the files in the project's format
	$(BIN)/ruff format

format-check: $(VENV)/check.stamp ## Fail on a file that is not in the project's format
	$(BIN)/ruff format --check

lint: $(VENV)/check.stamp ## Lint and spell-check
	$(BIN)/ruff check
	$(BIN)/codespell

types: $(VENV)/check.stamp $(VENV)/test.stamp ## Type-check the package (mypy --strict)
	$(BIN)/mypy

doctest: $(VENV)/test.stamp ## Run only the examples of the docstrings, README and docs
	$(PYTEST) torchattr docs README.md $(PYTEST_ARGS)

docs: $(VENV)/docs.stamp ## Build docs/_build/html; a warning is an error
	$(BIN)/python -m sphinx -W -n --keep-going -b html docs docs/_build/html

bench: $(VENV)/bench.stamp ## Measure against plain loops, captum, shap and shapiq (benchmarks/results)
	$(BIN)/python -m benchmarks.speed
	$(BIN)/python -m benchmarks.training
	$(BIN)/python -m benchmarks.overhead
	$(BIN)/python -m benchmarks.mislabel
	$(BIN)/python -m benchmarks.lds
	$(BIN)/python -m benchmarks.self_influence
	$(BIN)/python -m benchmarks.influence_memory
	$(BIN)/python -m benchmarks.coverage
	$(BIN)/python -m benchmarks.accuracy

clean: ## Remove what the other targets leave, .venv included
	rm -rf $(VENV) build dist *.egg-info docs/_build demo_output .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit("torchattr needs Python >= 3.10; run make PYTHON=python3.x" if sys.version_info < (3, 10) else 0)'
	$(PYTHON) -m venv $(VENV)

# torch comes first, alone and pinned: no later line can then choose another build.
$(VENV)/torch.stamp: requirements/constraints.txt | $(BIN)/python
	$(PIP) --constraint requirements/constraints.txt torch
	touch $@

$(VENV)/%.stamp: requirements/%.txt setup.py $(VENV)/torch.stamp
	$(PIP) --requirement $<
	touch $@
