# make demo | make dashboard | make test | make test-bi | make test-all | make test-faults | make lint | make docs |
# make bench | make compatibility: each sets up what it needs.
PYTHON ?= python3
BIN := .venv/bin
TARGET ?= duckdb
BI_TESTS := integration_tests/bi
BI_TOOLS := .venv-superset/installed $(BI_TESTS)/metabase/node_modules/.installed $(BI_TESTS)/lightdash/node_modules/.installed
# Tests that share a built project stay on one worker; see integration_tests/conftest.py.
PYTEST := $(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder --durations 20
PORT ?= 8088
# The Python that Superset runs on; 3.11 is known to work.
SUPERSET_PYTHON ?= python3.11
export DO_NOT_TRACK = 1

.PHONY: demo dashboard test test-bi test-all test-faults lint docs bench bench-large compatibility compatibility-fast lock install packages clean

demo: install
	$(BIN)/voice-ai demo --target $(TARGET) --output output

# Serves what make demo built in Superset, until stopped.
dashboard: install .venv-superset/installed
	$(BIN)/python bi/superset/start.py --target $(TARGET) --output output --port $(PORT)

test: install packages
	$(PYTEST) --ignore $(BI_TESTS)

# Tests dashboards in the tools that show them. The tools come from npm and from their own virtual environment.
test-bi: install packages $(BI_TOOLS)
	$(PYTEST) $(BI_TESTS)

test-all: install packages $(BI_TOOLS)
	$(PYTEST)

# Breaks builds at every moment, and runs many more random streams and tables than make test. Takes two hours.
test-faults: install packages
	VOICE_AI_FAULTS=full $(BIN)/pytest --durations 20 integration_tests/test_faults.py integration_tests/test_properties.py integration_tests/test_fuzz.py integration_tests/test_host.py integration_tests/test_flags.py scripts/tests/test_disclosure.py

lint: install packages
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	DBT_PROFILES_DIR=$(CURDIR)/demo $(BIN)/sqlfluff lint --disable-progress-bar models snapshots analyses tests

docs: install packages
	VOICE_AI_DUCKDB_PATH=$(CURDIR)/target/docs.duckdb $(BIN)/dbt --warn-error docs generate --profiles-dir demo --profile voice_ai_demo

bench: install
	$(BIN)/python benchmarks/scale.py
	$(BIN)/python benchmarks/serve.py
	$(BIN)/python benchmarks/load.py
	$(BIN)/python benchmarks/abandonment_calibration.py
	$(BIN)/python benchmarks/abandonment_growth.py
	$(BIN)/python benchmarks/logistic_scale.py
	$(BIN)/python benchmarks/asr_evaluation.py
	$(BIN)/python benchmarks/asr_release.py
	$(BIN)/python benchmarks/segments.py

# Ten million sessions: up to an hour, 24 GB of memory and 60 GB of disk.
bench-large: install
	$(BIN)/python benchmarks/scale.py --only large

# Other versions of Python, dbt and PostgreSQL, each in its own environment. The fast target leaves out rows that the
# tests already prove, or that two other rows prove together.
compatibility: install packages
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(BIN)/python integration_tests/compatibility.py --json target/compatibility.json

compatibility-fast: install packages
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(BIN)/python integration_tests/compatibility.py --fast

install: .venv/installed

# With the hash of every file that the registry has of a version, so pip refuses any other.
.venv/installed: requirements.lock pyproject.toml
	$(PYTHON) -c "import sys; sys.exit(0 if (3, 11) <= sys.version_info[:2] <= (3, 13) else 'make needs Python 3.11, 3.12 or 3.13: make PYTHON=python3.11')"
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	touch $@

# The packages that check Metabase's and Lightdash's files; Lightdash's take half a gigabyte.
$(BI_TESTS)/%/node_modules/.installed: $(BI_TESTS)/%/package-lock.json
	cd $(dir $<) && npm ci --ignore-scripts --no-audit --no-fund --loglevel error
	touch $@

# Its own environment, because Superset needs older versions of pandas, SQLAlchemy and others than dbt and voice-ai.
.venv-superset/installed: bi/superset/requirements.txt
	command -v $(SUPERSET_PYTHON) >/dev/null || { echo "Superset needs Python 3.11, and $(SUPERSET_PYTHON) wasn't found: make dashboard SUPERSET_PYTHON=path/to/python3.11" >&2; exit 1; }
	$(SUPERSET_PYTHON) -m venv --clear .venv-superset
	.venv-superset/bin/python -m pip install --quiet --disable-pip-version-check -r bi/superset/requirements.txt
	touch $@

# From dbt Hub if it can be reached, or else the stand-ins in offline_packages; voice-ai deps says which.
packages: install
	$(BIN)/voice-ai deps --project-dir .

# pip looks for a hash under the name with its extras.
COMPILE := $(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-strip-extras --no-annotate --no-header --no-emit-index-url --no-emit-find-links

lock: install
	$(BIN)/python -m pip install --quiet uv
	$(COMPILE) --extra dev --output-file requirements.lock pyproject.toml
	$(COMPILE) --constraint requirements.lock --output-file deploy/requirements.txt pyproject.toml
	$(COMPILE) --output-file bi/superset/requirements.txt bi/superset/requirements.in

clean:
	rm -rf .venv .venv-superset output target logs dbt_packages $(BI_TESTS)/*/node_modules
