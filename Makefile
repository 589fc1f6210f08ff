# Thin lines over documented commands. `make serve` and `make test` do all the set-up on a machine that has only Python.
PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.filrouge-installed
DEVELOPED := .venv/.filrouge-developed

.PHONY: serve test cluster crash quality ranking check bench screenshots

serve: $(INSTALLED)
	$(BIN)/filrouge serve seeds

test: $(DEVELOPED)
	$(BIN)/python -m pytest -m 'not quality and not cluster and not crash'

# Embedding on several machines: it installs Ray, and needs to make a network of its own.
cluster: $(DEVELOPED)
	$(BIN)/python -m pip install --quiet --editable '.[ray]'
	$(BIN)/python -m pytest -m cluster tests

# Three hundred processes killed, every write of several runs failed, every file damaged: eight minutes.
crash: $(DEVELOPED)
	$(BIN)/python -m pytest -m crash tests

quality: $(DEVELOPED)
	$(BIN)/python -m pytest -m quality tests $(if $(SKIP),-k 'not $(SKIP)')

# What each part of the ranking gives, on the evaluation sets in SETS, and what it costs.
ranking: $(DEVELOPED)
	$(BIN)/python tests/bench/fit_ranking.py $(SETS)
	$(BIN)/filrouge bench walk

check: $(DEVELOPED)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

bench: $(DEVELOPED)
	$(BIN)/filrouge bench embed
	$(BIN)/filrouge bench read
	$(BIN)/filrouge bench ingest
	$(BIN)/filrouge bench search
	$(BIN)/filrouge bench walk
	$(BIN)/filrouge bench serve

# The two pictures of the README; they need Chromium.
screenshots: $(DEVELOPED)
	$(BIN)/python -m tests.bench.take_screenshots

$(INSTALLED): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("filrouge needs Python 3.11 or newer: make PYTHON=python3.12 ...")'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

# And what tests need beside it: clients of the doors, readers of the exports.
$(DEVELOPED): $(INSTALLED)
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@
