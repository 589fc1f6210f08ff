# Thin lines over documented commands. `make serve` and `make test` do all the set-up on a machine that has only Python.
PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.filrouge-installed

.PHONY: serve test quality ranking check bench screenshots

serve: $(INSTALLED)
	$(BIN)/filrouge serve seeds

test: $(INSTALLED)
	$(BIN)/python -m pytest -m 'not quality'

quality: $(INSTALLED)
	$(BIN)/python -m pytest -m quality tests $(if $(SKIP),-k 'not $(SKIP)')

# What each part of the ranking gives, on the evaluation sets in SETS, and what it costs.
ranking: $(INSTALLED)
	$(BIN)/python tests/bench/fit_ranking.py $(SETS)
	$(BIN)/filrouge bench walk

check: $(INSTALLED)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

bench: $(INSTALLED)
	$(BIN)/filrouge bench embed
	$(BIN)/filrouge bench read
	$(BIN)/filrouge bench ingest
	$(BIN)/filrouge bench search
	$(BIN)/filrouge bench walk
	$(BIN)/filrouge bench serve

# The two pictures of the README; they need Chromium.
screenshots: $(INSTALLED)
	$(BIN)/python -m tests.bench.take_screenshots

$(INSTALLED): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("filrouge needs Python 3.11 or newer: make PYTHON=python3.12 ...")'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@
