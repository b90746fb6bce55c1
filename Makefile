# Everything runs in .venv, made from nothing but Python >= 3.11. No target needs an activated environment.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test docs lint bench clean

demo: .venv/all
	$(BIN)/lassoflow compare diabetes --out out/diabetes

test: .venv/test
	$(BIN)/python -m pytest -n 2

docs: .venv/docs
	$(BIN)/sphinx-build -W --keep-going -q docs out/docs

lint: .venv/lint
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: .venv/bench
	$(BIN)/python -m benchmarks

.venv/pip:
	$(PYTHON) -c 'import sys; sys.exit("lassoflow needs Python 3.11 or newer; try: make PYTHON=python3.12" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	touch $@

.venv/all: .venv/pip pyproject.toml
	$(BIN)/python -m pip install --quiet --editable '.[all]'
	touch $@

.venv/test .venv/docs .venv/lint .venv/bench: .venv/%: .venv/all
	$(BIN)/python -m pip install --quiet --group $*
	touch $@

clean:
	rm -rf .venv out docs/auto_gallery docs/gallery/papers docs/api/generated
