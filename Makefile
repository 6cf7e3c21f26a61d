# Two commands on a fresh machine: `make demo` and `make test`. Both set up .venv first, once.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.DEFAULT_GOAL := demo
.PHONY: demo test lint lint-web bench startup dist clean

demo: $(READY)  ## encode a photograph at 64 tokens and decode it again
	$(BIN)/python bench/demo.py build/demo

test: $(READY)  ## all tests
	$(BIN)/python -m pytest

lint: $(READY) lint-web  ## ruff, mypy, and that imports go one way
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

lint-web:  ## formats/web: prettier, types; only where npm and its registry are at hand
	@if command -v npm >/dev/null && npm install --prefix formats/web --silent --no-audit --no-fund; then \
		npm run --prefix formats/web --silent lint; \
	else echo 'npm is not at hand: formats/web is not checked'; fi

bench: $(READY)  ## rate-distortion curves on scikit-image's photographs, in results/
	$(BIN)/python -m bench.pictures build/pictures
	$(BIN)/python -m bench build/pictures --out results

startup: $(READY)  ## times of whole commands and of one tile, memory for a large picture
	$(BIN)/python -m bench.studies.startup

dist:  ## wheel and sdist in dist/, checked, and the wheel tried alone on every Python at hand
	rm -rf dist
	test -x build/tools/bin/python || $(PYTHON) -m venv build/tools
	build/tools/bin/python -m pip install --quiet --constraint constraints.txt build hatchling twine
	build/tools/bin/python -m build --no-isolation
	build/tools/bin/python -m twine check --strict dist/*
	build/tools/bin/python tests/try_wheel.py dist/*.whl

$(READY): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[test,bench-more,bench-recognition]'
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[test-data]' || \
		echo 'Ray or datasets cannot be installed: tests that need them are skipped'
	@# Its metadata asks for an old Pillow and a toolkit that it needs only for its own command.
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --no-deps thumbhash-python
	touch $@

clean:  ## remove what the other targets made
	rm -rf $(VENV) build dist results
