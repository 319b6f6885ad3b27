# Every target sets up what it needs. `make` alone lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
DATA ?= ../shared/data/olist
ORDERS ?=
WORKERS ?= 2

.DEFAULT_GOAL := help
.PHONY: help setup run run-services test check format lint imports types django-checks rest-of-check docs docs-check release-schemas replay differential test-alone bench bench-events bench-checkouts bench-shapes faults races audit fuzz stop clean lock

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{printf "  make %-16s %s\n", $$1, $$2}'

$(STAMP): requirements/dev.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { echo "The venv module is missing: on Debian, apt install python3-venv"; exit 1; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements/dev.txt
	@touch $@

setup: $(STAMP)  ## make the virtual environment with the locked dependencies

run: $(STAMP)  ## start everything: database, web, worker, scheduler, payment sandbox (PORT=8000)
	@exec $(BIN)/python manage.py run $(if $(PORT),--port $(PORT))

run-services: $(STAMP)  ## the same in six services with a database each, and a gateway in front (PORT=8000)
	@exec $(BIN)/python manage.py run_services $(if $(PORT),--port $(PORT))

test: $(STAMP)  ## set up and run all tests
	$(BIN)/python -m pytest -q -n $(WORKERS) --dist loadfile --no-loadscope-reorder

check: lint imports types django-checks docs-check test  ## what CI runs

rest-of-check: lint imports types django-checks docs-check  ## the gate without the tests

lint: $(STAMP)  ## formatting and lint
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

format: $(STAMP)  ## format the code and fix what can be fixed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

imports: $(STAMP)  ## the boundaries between and inside contexts
	$(BIN)/lint-imports --config importlinter.ini

types: $(STAMP)  ## mypy, strict
	$(BIN)/mypy

django-checks: $(STAMP)  ## system checks, production settings, missing migrations
	$(BIN)/python manage.py check --fail-level WARNING
	$(BIN)/python -m tests.production_check
	DJANGO_SETTINGS_MODULE=tests.settings_without_databases $(BIN)/python manage.py makemigrations --check --dry-run --skip-checks

docs: $(STAMP)  ## write the generated documents anew
	$(BIN)/python manage.py topology --write

docs-check: $(STAMP)  ## are the generated documents up to date, and events and sagas as released?
	$(BIN)/python manage.py topology --check

release-schemas: $(STAMP)  ## let others rely on new events, compatible changes and new saga versions (docs/schemas)
	$(BIN)/python manage.py topology --release

replay: $(STAMP)  ## buy real orders through the REST API (DATA=folder, ORDERS=how many, SHAPE=one|serialised|services)
	$(BIN)/python -m tests.e2e.replay --data $(DATA) $(if $(ORDERS),--orders $(ORDERS)) $(if $(SHAPE),--shape $(SHAPE))

differential: $(STAMP)  ## the same purchases in one process and in six services; all books compared (SEED=, PURCHASES=)
	SEED=$(SEED) PURCHASES=$(or $(PURCHASES),40) $(BIN)/python -m pytest -q tests/topologies/test_differential.py

test-alone: $(STAMP)  ## the tests of each context with only that context installed (CONTEXT=one of them)
	@set -e; for context in $(or $(CONTEXT),identity catalog cart promotion order notification); do \
		echo "$$context alone"; CONTEXTS=$$context $(BIN)/python -m pytest -q -n $(WORKERS) --dist loadfile tests/contexts/$$context; \
	done

bench: $(STAMP)  ## measure list, detail, purchase and events against their floors
	$(BIN)/python -m tests.bench

bench-events: $(STAMP)  ## measure relay, consumer, latency and the whole way of events beside their floors
	$(BIN)/python -m tests.bench.backbone $(if $(ARCHIVED),--archived $(ARCHIVED))

bench-checkouts: $(STAMP)  ## measure checkouts and purchases by 1, 8 and 32 buyers, of one product and of 10,000
	$(BIN)/python -m tests.bench.checkouts

bench-shapes: $(STAMP)  ## measure the same shop in one process and as six services, turn by turn
	$(BIN)/python -m tests.bench.shapes

faults: $(STAMP)  ## kill, stop and cut off what takes part in events, and audit the databases (SEED=, RUNS=, ONLY=, BROKER=, KEEP=)
	$(BIN)/python -m tests.faults $(if $(SEED),--seed $(SEED)) $(if $(RUNS),--runs $(RUNS)) $(if $(ONLY),--only $(ONLY)) $(if $(BROKER),--brokers $(BROKER)) $(if $(KEEP),--keep)

races: $(STAMP)  ## many clients at the same moment against a running shop, and audit its books (SHAPE=one|services, BROKER=, URL=, SEED=, RUNS=, ONLY=, KEEP=)
	$(BIN)/python -m tests.races $(if $(SEED),--seed $(SEED)) $(if $(RUNS),--runs $(RUNS)) $(if $(ONLY),--only $(ONLY)) $(if $(URL),--url $(URL)) $(if $(SHAPE),--shape $(SHAPE)) $(if $(BROKER),--broker $(BROKER)) $(if $(KEEP),--keep)

audit: $(STAMP)  ## the locked packages: hashes, withdrawn releases, known weaknesses, licences
	$(BIN)/python -m tests.audit

fuzz: $(STAMP)  ## the whole API by generated requests, for long (EXAMPLES=200 of each kind for each operation)
	FUZZ_EXAMPLES=$(or $(EXAMPLES),200) $(BIN)/python -m pytest -q -n $(WORKERS) --timeout 0 tests/e2e/test_conformance.py

stop: $(STAMP)  ## stop an embedded database that is still running
	$(BIN)/python manage.py db stop

clean:  ## remove the environment and all local data
	-test -x $(BIN)/python && $(BIN)/python manage.py db stop
	rm -rf $(VENV) var

lock: $(STAMP)  ## resolve the dependencies anew, with hashes
	$(BIN)/python -m pip install --quiet uv
	cd requirements && ../$(BIN)/uv pip compile --quiet --python-version 3.11 --generate-hashes base.in -o base.txt
	cd requirements && ../$(BIN)/uv pip compile --quiet --python-version 3.11 --generate-hashes base.in dev.in -o dev.txt
