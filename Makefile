# `make` alone lists every command. Nothing has to be installed beforehand but make and Python 3.12 or 3.13.

.DEFAULT_GOAL := help
SHELL := /bin/sh
MAKEFLAGS += --no-print-directory

# Relative, and never a script of .venv/bin: both keep a path with spaces harmless.
python := .venv/bin/python
devstack := $(python) -m layerline.devstack
# As typed, quotes and dollars included: the shell takes it as it would take a command's arguments.
arguments = $(value ARGS)

# An environment that is ready says so itself, in some 20 ms; all else is for any Python that runs.
define ready
@$(python) -I -S layerline/bootstrap.py --ready 2>/dev/null || { \
	for any in "$$PYTHON" python3 python3.13 python3.12 python; do \
		if [ -n "$$any" ] && "$$any" -c "" 2>/dev/null; then exec "$$any" -m layerline.bootstrap; fi; \
	done; \
	echo "error: This project needs Python 3.12 or 3.13, and no Python was found. Install one, or name it: make PYTHON=/path/to/python" >&2; \
	exit 1; }
endef

.PHONY: help
help: ## List the commands
	@awk 'BEGIN { FS = ":.*## " } /^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' Makefile

.PHONY: run
run: ## Everything in one terminal: web, worker, beat, PostgreSQL and Valkey (PORT=8000)
	$(ready)
	@$(devstack) run

.PHONY: test
test: ## The whole test suite, or what ARGS="apps/users -k login" chooses
	$(ready)
	@$(devstack) test $(arguments)

.PHONY: coverage
coverage: ## The whole test suite, with a report in htmlcov/index.html
	$(ready)
	@$(devstack) test -n auto --cov --cov-report=term --cov-report=html $(arguments)

.PHONY: check
check: ## The gate: format, lint, types, layers, migrations, deployment, API documents, flows, requirements, audit
	$(ready)
	@$(devstack) bare python -m layerline.gate

.PHONY: drill
drill: ## Kill, freeze and empty what background work relies on, with figures in .dev/drill.md
	$(ready)
	@$(devstack) test -o python_files="drill_*.py" tests/drills -p no:randomly -v $(arguments)

.PHONY: bench
bench: ## What we measure, on servers of its own: ARGS="http"; without ARGS what there is (benchmarks/README.md)
	$(ready)
	@$(devstack) bare python -m benchmarks $(arguments)

.PHONY: rehearse
rehearse: ## A deployment on this machine behind nginx (which must be installed): its door, a rolling update, a restore
	$(ready)
	@$(devstack) test -o python_files="rehearse_*.py" tests/rehearsal -p no:randomly -v $(arguments)

.PHONY: demo
demo: ## A scripted session against a running server (PORT=8000)
	$(ready)
	@$(devstack) manage demo --base-url "http://127.0.0.1:$${PORT:-8000}"
	@$(python) clients/python/demo.py --base-url "http://127.0.0.1:$${PORT:-8000}"

.PHONY: manage
manage: ## A management command: ARGS="createsuperuser"
	$(ready)
	@$(devstack) manage $(arguments)

.PHONY: trace
trace: ## One request drawn from the wire to the row: ARGS="GET /api/v1/auth/me/ --as ada@example.com"
	$(ready)
	@$(devstack) manage trace $(arguments)

.PHONY: flows
flows: ## Write docs/flows anew from what the code does
	$(ready)
	@DJANGO_SETTINGS_MODULE=config.settings.flows $(devstack) bare python manage.py document_flows $(arguments)

.PHONY: slice
slice: ## A new slice: NAME=billing ARGS="Invoice number:str:32 total:decimal paid:bool"
	$(ready)
	@$(devstack) manage startslice "$$NAME" $(arguments)

.PHONY: format
format: ## Format the code, and mend what can be mended without thinking
	$(ready)
	@$(python) -m ruff check --fix --quiet . ; $(python) -m ruff format .

.PHONY: requirements
requirements: ## Compile requirements/*.txt from pyproject.toml (ARGS="--upgrade")
	$(ready)
	@compile="$(python) -m uv pip compile -q pyproject.toml --universal --python-version 3.12 --generate-hashes"; \
	export UV_CUSTOM_COMPILE_COMMAND="make requirements"; \
	set -ex; \
	$$compile $(arguments) -o requirements/base.txt; \
	$$compile $(arguments) --extra production -c requirements/base.txt -o requirements/production.txt; \
	$$compile $(arguments) --extra development --extra production -c requirements/base.txt -o requirements/development.txt

.PHONY: stop
stop: ## Stop a run and the embedded services
	$(ready)
	@$(devstack) stop

.PHONY: reset
reset: ## Throw away the data of the embedded services, after a question (FORCE=1 for none)
	$(ready)
	@$(devstack) reset
