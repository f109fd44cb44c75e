.DEFAULT_GOAL := help
python := .venv/bin/python

.PHONY: help install lint types test test-all bench gpu-check docs clean

help: ## show this help
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: ## make .venv with the project and its tools
	python3 -m venv .venv && .venv/bin/pip install -c constraints.txt -e '.[dev]'

lint: ## check style, spelling and the direction of imports
	$(python) -m ruff check && $(python) -m ruff format --check && .venv/bin/lint-imports && .venv/bin/typos

types: ## check types
	$(python) -m mypy

test: ## run the default tests
	OMP_NUM_THREADS=1 $(python) -m pytest -n 2

test-all: ## run all tests, the slow ones too
	OMP_NUM_THREADS=1 $(python) -m pytest -n 2 -m "slow or not slow"

bench: ## print ratios against the peers, side by side
	$(python) -m pytest tests/benchmarks --benchmark-enable --benchmark-only --benchmark-group-by=group -m "slow or not slow"

gpu-check: ## check and measure this machine's GPU, under eight minutes (OPTIONS=--rehearse: on the CPU, tiny)
	PYTHONPATH=. $(python) tests/gpu/check.py $(OPTIONS)

docs: ## build the documentation into site/
	$(python) -m mkdocs build --strict

clean: ## remove what tools left behind
	rm -rf build dist site .mypy_cache .ruff_cache .pytest_cache .hypothesis .benchmarks
