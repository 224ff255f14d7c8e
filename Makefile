# Two commands matter: `make run` and `make test`. Both need Python 3.11+, make and a package index.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PACKAGES := cnn evo experiments graphops
# Two processes, each of which takes whole files: what a file's tests share is made once. tests/conftest.py orders them.
PARALLEL := --numprocesses 2 --dist loadfile --no-loadscope-reorder

.PHONY: help run test test-all bench smoke docs lint format clean

help:  ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

run: $(VENV)/.installed  ## evolve networks on handwritten digits and compare them with the CNN
	$(BIN)/evomatrix warm graphs operators cnn
	$(BIN)/evomatrix run digits

# pytest rewrites the tests when it collects them; what it wrote into __pycache__ saves each process 15 seconds.
test test-all: export PYTHONDONTWRITEBYTECODE :=

test: $(VENV)/.installed-dev  ## the test suite: minutes on two cores
	$(BIN)/python -m pytest $(PARALLEL) -m "not slow" tests $(PACKAGES)

test-all: $(VENV)/.installed-dev $(VENV)/.installed-slow  ## slow tests too (mutants, PyTorch as peer, published data), more examples, coverage
	HYPOTHESIS_PROFILE=full $(BIN)/python -m pytest $(PARALLEL) --cov tests $(PACKAGES)

bench: $(VENV)/.installed-bench  ## measure the CNN beside PyTorch, which is installed first: minutes
	$(BIN)/evomatrix bench cnn

docs: export NO_MKDOCS_2_WARNING := 1

docs: $(VENV)/.installed-dev  ## build the documentation site into site/; python -m http.server -d site shows it
	$(BIN)/mkdocs build --quiet

smoke:  ## build sdist and wheel, install the wheel into a fresh environment, and check it there: minutes
	rm -rf build dist .smoke
	$(PYTHON) -m venv .smoke
	.smoke/bin/python -m pip install --quiet --disable-pip-version-check build
	.smoke/bin/python -m build --outdir dist . >/dev/null
	.smoke/bin/python -m pip install --quiet --disable-pip-version-check dist/*.whl
	cd .smoke && bin/evomatrix selftest
	cd .smoke && bin/evomatrix run digits --seeds 1 --generations 2 --workers 0
	rm -rf build .smoke

lint: $(VENV)/.installed-dev  ## ruff (check and format) and mypy --strict
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.installed-dev  ## let ruff rewrite what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:  ## remove the environment and build products (results stay)
	rm -rf $(VENV) build dist site .smoke *.egg-info .pytest_cache .mypy_cache .ruff_cache

$(VENV)/bin/python:
	@echo "Creating $(VENV)"
	$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("EvoMatrix needs Python 3.11 or newer, not " + sys.version.split()[0])'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml | $(VENV)/bin/python
	@echo "Installing EvoMatrix and its dependencies (a few minutes the first time)"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	@touch $@

$(VENV)/.installed-dev: pyproject.toml | $(VENV)/bin/python
	@echo "Installing EvoMatrix with its test tools (a few minutes the first time)"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[dev]"
	@touch $@ $(VENV)/.installed

$(VENV)/.installed-slow: pyproject.toml | $(VENV)/.installed-bench
	@echo "Installing MLflow, which a slow test needs"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[mlflow]"
	@touch $@

$(VENV)/.installed-bench: pyproject.toml | $(VENV)/bin/python
	@echo "Installing EvoMatrix with PyTorch (some minutes the first time)"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[bench]"
	@touch $@ $(VENV)/.installed
