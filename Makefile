# Two commands on a fresh machine: `make demo` and `make test`. Each sets up its own virtual environment first, once.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# The base install alone, for `make demo`: a few packages instead of all that the tests need.
BASE := build/base

# $(call create,FOLDER) makes a virtual environment where there is none; $(call install,FOLDER) installs into it.
ifneq ($(shell command -v uv 2>/dev/null),)
create = test -x $(1)/bin/python || uv venv --quiet --python $(PYTHON) $(1)
install = uv pip install --quiet --python $(1)/bin/python --constraint constraints.txt
else
create = test -x $(1)/bin/python || $(PYTHON) -m venv $(1)
install = $(1)/bin/python -m pip install --quiet --constraint constraints.txt
endif

.DEFAULT_GOAL := demo
.PHONY: demo test test-published lint lint-web docs bench startup gpu dist clean

demo: $(BASE)/.ready  ## encode a photograph at 64 tokens and decode it again
	$(BASE)/bin/python bench/demo.py build/demo

# The tests start many processes: without compiled modules each would compile the package anew, also where images of
# containers set this variable.
test: $(READY)  ## all tests, by a worker for each core, whose linear algebra has one thread
	OMP_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest --numprocesses auto --dist worksteal

test-published: $(READY)  ## published tokenizers in full size against golden values: minutes, and up to 6 GB
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m published tests/tokenizers/published

lint: $(READY) lint-web  ## ruff, mypy, that imports go one way, and that public names are documented
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python tests/check_docstrings.py

lint-web:  ## formats/web: prettier, types; only if npm and its registry are available
	@if command -v npm >/dev/null && npm install --prefix formats/web --silent --no-audit --no-fund; then \
		npm run --prefix formats/web --silent lint; \
	else echo 'npm or its registry is not available: formats/web is not checked'; fi

docs: $(READY)  ## the API reference in build/docs, made from the docstrings
	$(call install,$(VENV)) --editable '.[docs]'
	$(BIN)/python -m pdoc --docformat google --output-directory build/docs \
		tokcodec tokcodec.datasets tokcodec.pillow tokcodec.progressive '!tokcodec.datasets.[a-z]+'

bench: $(READY)  ## rate-distortion curves on scikit-image's photographs, in results/
	$(BIN)/python -m bench.pictures build/pictures
	$(BIN)/python -m bench build/pictures --out results

startup: $(READY)  ## times of whole commands and of one tile, memory for a large picture
	$(BIN)/python -m bench.studies.startup

gpu: $(READY)  ## on a GPU: CUDA tests, throughput, training of a 1D tokenizer: make gpu PHOTOS=DIR VALID=DIR
	$(BIN)/python -m bench.studies.gpu $(PHOTOS) --valid $(VALID) --out build/gpu $(GPU_OPTIONS)

dist:  ## wheel and sdist in dist/, checked, and the wheel installed alone on every Python found
	rm -rf dist
	$(call create,build/tools)
	$(call install,build/tools) build hatchling twine
	build/tools/bin/python -m build --no-isolation
	build/tools/bin/python -m twine check --strict dist/*
	build/tools/bin/python tests/try_wheel.py dist/*.whl

$(READY): pyproject.toml constraints.txt
	$(call create,$(VENV))
	$(call install,$(VENV)) --editable '.[test,bench-more,bench-recognition]'
	$(call install,$(VENV)) --editable '.[test-data]' || \
		echo 'Ray, datasets or webdataset cannot be installed: tests that need them are skipped'
	@# Its metadata asks for an old Pillow and a toolkit that it needs only for its own command.
	$(call install,$(VENV)) --no-deps thumbhash-python
	touch $@

$(BASE)/.ready: pyproject.toml constraints.txt
	$(call create,$(BASE))
	$(call install,$(BASE)) --editable .
	touch $@

clean:  ## remove what the other targets made
	rm -rf $(VENV) build dist results
