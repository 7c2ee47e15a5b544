# Every target makes .venv and installs what it needs; Python >= 3.11 and make are all that has to be there.
PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-slow check format docs bench clean

help: ## Show the targets
	@grep -E '^[a-z-]+:.*## ' Makefile | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 20

setup: $(INSTALLED) ## Make .venv and install everything, pinned

$(INSTALLED): pyproject.toml requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit("Loopwright needs Python 3.11 or newer; run: make PYTHON=python3.11" if sys.version_info < (3, 11) else 0)'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: $(INSTALLED) ## One whole round on the sample reviews: build, lint, train, evaluate base against tuned
	$(BIN)/train models fetch embedded
	rm -rf out/demo
	$(BIN)/loop run sample_data/reviews/reviews.yaml --out out/demo
	$(BIN)/train chat --adapter out/demo/round-001/run --ask "We waited an hour, and then the soup was cold."

test: $(INSTALLED) ## Run the tests
	$(BIN)/python -m pytest -n auto --maxprocesses 4 -m "not slow"

test-slow: $(INSTALLED) ## Run the end-to-end tests on the embedded model
	$(BIN)/train models fetch embedded
	$(BIN)/python -m pytest -m slow

check: $(INSTALLED) ## Format, lint, types, import contracts, tests: what a change must pass
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python docs/generate.py --check
	$(MAKE) test

format: $(INSTALLED) ## Format the code and mend what can be mended
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: $(INSTALLED) ## Write the generated reference pages
	$(BIN)/python docs/generate.py

bench: $(INSTALLED) ## Compare with other tools; see benchmarks/README.md
	$(BIN)/python benchmarks/build.py

clean: ## Remove what was installed and made
	rm -rf .venv out build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
