# Thin lines over documented commands. `make serve` and `make test` do all the set-up on a machine that has only Python.
PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.filrouge-installed
DEVELOPED := .venv/.filrouge-developed
MILVUS := .venv/milvus/.filrouge-milvus
AUDITED := .venv/.filrouge-audited

.PHONY: serve test cluster crash milvus hostile fuzz nightly load quality ranking check audit sbom bench capacity screenshots

serve: $(INSTALLED)
	$(BIN)/filrouge serve seeds

test: $(DEVELOPED)
	$(BIN)/python -m pytest -m 'not quality and not cluster and not crash and not milvus and not hostile'

# Embedding on several machines: it installs Ray, and needs to make a network of its own.
cluster: $(DEVELOPED)
	$(BIN)/python -m pip install --quiet --editable '.[ray]'
	$(BIN)/python -m pytest -m cluster tests

# Three hundred processes killed, every write of several runs failed, every file damaged: eight minutes.
crash: $(DEVELOPED)
	$(BIN)/python -m pytest -m crash tests

# Milvus Lite and a whole server, which need a setuptools that nothing else does: an environment of their own, on top.
milvus: $(MILVUS)
	.venv/milvus/bin/python -m pytest -m milvus tests
	.venv/milvus/bin/python -m pytest -W 'ignore:pkg_resources is deprecated' tests/test_guides.py -k cluster

# All texts that mean harm, of which `make test` takes every fourth.
hostile: $(DEVELOPED)
	$(BIN)/python -m pytest -m hostile tests

# Readers and the API, given what nobody should send; minutes.
fuzz: $(DEVELOPED)
	$(BIN)/python -m tests.bench.fuzz_readers --inputs 20000 --seconds 150
	$(BIN)/python -m tests.bench.fuzz_api --cases 5000

# A million of them, on from where the last run ended, then an hour led by coverage; what fails is kept in .fuzz/failed.
nightly: $(DEVELOPED)
	$(BIN)/python -m pip install --quiet --editable '.[fuzz]'
	$(BIN)/python -m tests.bench.fuzz_readers --inputs 1000000 --seconds 7200 --kept .fuzz
	$(BIN)/python -m tests.bench.fuzz_guided --seconds 3600 --kept .fuzz
	$(BIN)/python -m tests.bench.fuzz_api --cases 20000 --seed 2

# 64 clients for five minutes while another process indexes; RIVAL=PYTHON of an environment with txtai[api] beside it.
load: $(DEVELOPED)
	$(BIN)/python -m tests.bench.measure_load $(if $(RIVAL),--rival $(RIVAL))

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

# What is installed, among known vulnerabilities; without a list of those within reach it says so.
audit: $(INSTALLED) $(AUDITED)
	.venv/audit/bin/python .ci/audit.py $(BIN)/python

# All that is installed, in CycloneDX.
sbom: $(INSTALLED) $(AUDITED)
	.venv/audit/bin/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible --output-file sbom.json $(BIN)/python

bench: $(DEVELOPED)
	$(BIN)/filrouge bench embed
	$(BIN)/filrouge bench read
	$(BIN)/filrouge bench ingest
	$(BIN)/filrouge bench search
	$(BIN)/filrouge bench walk
	$(BIN)/filrouge bench serve

# Speed and memory up to a million passages, for api/guides/capacity.md: half an hour, 6 GB of memory. With REAL=INDEX it also
# searches a copy of that index while passages arrive.
capacity: $(DEVELOPED)
	$(BIN)/python -m pip install --quiet --editable '.[bench]'
	$(BIN)/python -m tests.bench.measure_capacity $(if $(REAL),--real $(REAL))

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

$(MILVUS): $(DEVELOPED)
	$(BIN)/python -m venv .venv/milvus
	# What is installed in the first one is found from the second, behind its own.
	echo "import site; site.addsitedir('$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')')" \
	  > "$$(.venv/milvus/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/filrouge.pth"
	.venv/milvus/bin/python -m pip install --quiet 'setuptools>=77,<81' milvus-lite==2.5.1 milvus==2.3.5
	touch $@

# Apart, so that what audits is not among what is audited.
$(AUDITED): $(INSTALLED)
	$(BIN)/python -m venv .venv/audit
	.venv/audit/bin/python -m pip install --quiet 'pip-audit>=2.9,<3' 'cyclonedx-bom>=7,<8'
	touch $@
