# The habits of this project. `make help` lists them.
.DEFAULT_GOAL := help
SHELL := /bin/sh
.DELETE_ON_ERROR:

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# System certificates: behind a company's proxy uv's own would not do.
UV := UV_SYSTEM_CERTS=1 UV_PYTHON=$(CURDIR)/$(BIN)/python $(BIN)/uv --quiet
UV_VERSION := 0.13.8
COOLDOWN_DAYS := 7

# Recorded answers, and where results.json and plots go: make eval DATA=folder OUT=folder
DATA ?= ../shared/data/zeroeval
OUT ?= docs/evaluation

# The suite's own settings reach it from the environment: OPENPRYSM_PORT, OPENPRYSM_STATE, PROMPT, …

.PHONY: help run serve trace test bench soak bench-proof drill-faults drill-proof drill-ids fit eval check fmt lint types imports proto proto-check proto-lint proto-release prices manifests sbom drill lock clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(VENV)/run.stamp ## start the suite with its embedded models, ask PROMPT, print the answer and its proof, serve until Ctrl-C
	@$(BIN)/openprysm run

serve: $(VENV)/run.stamp ## start the suite and serve until Ctrl-C
	@$(BIN)/openprysm serve

trace: $(VENV)/run.stamp ## start the suite, ask PROMPT, print the request's trace span by span, stop
	@$(BIN)/openprysm trace

test: $(VENV)/dev.stamp ## all tests: real Envoy, real models, real databases
	@$(BIN)/pytest $(ARGS)

bench: $(VENV)/dev.stamp ## what the suite adds, takes and bears; ARGS="overload latency" for some parts, PEER=http://… for others
	@PYTHONPATH=tests $(BIN)/python -m bench $(ARGS)

soak: $(VENV)/dev.stamp ## a steady mix for ten minutes, or SOAK_S seconds: what grows
	@PYTHONPATH=tests $(BIN)/python -m bench soak

bench-proof: $(VENV)/dev.stamp ## signed, logged, committed proofs a second, and look-ups
	@PYTHONPATH=tests $(BIN)/python -m bench proofs

drill-proof: $(VENV)/dev.stamp ## kill the proof service a hundred times under load, and three replicas with their database: nothing is lost, nothing forks
	@DRILL_KILLS=100 $(BIN)/pytest -q -s tests/proof/test_log_crashes.py tests/proof/test_replicas.py -k any_moment

drill-faults: $(VENV)/dev.stamp ## ten thousand random scripts of faults, as many random policies, and every order given to a writer
	@DRILL_SCRIPTS=1500 $(BIN)/pytest -q tests/executor/test_any_fault.py tests/executor/test_compliance.py tests/local/test_steering.py

drill-ids: $(VENV)/dev.stamp ## ask for a hundred thousand proofs that are nobody's: no hit, and what each kind of id takes
	@DRILL_IDS=100000 $(BIN)/pytest -q tests/proof/test_unknown_ids.py

check: lint types imports proto-lint proto-check ## everything that reads the code without running it

fmt: $(VENV)/dev.stamp ## format
	@$(BIN)/ruff format services tests protos
	@$(BIN)/ruff check --fix --quiet services tests protos

lint: $(VENV)/dev.stamp ## ruff, all rules
	@$(BIN)/ruff format --check services tests protos
	@$(BIN)/ruff check services tests protos

types: $(VENV)/dev.stamp ## mypy, strict
	@$(BIN)/mypy

imports: $(VENV)/dev.stamp ## which room may import which
	@$(BIN)/lint-imports --no-logo

fit: $(VENV)/dev.stamp ## fit what ships, evidence and calibration, to recorded answers: DATA=folder
	@$(BIN)/python -m evaluation fit --data $(DATA)

eval: $(VENV)/dev.stamp ## test what ships on recorded answers that it was not fitted to: DATA=folder OUT=folder
	@$(BIN)/python -m evaluation eval --data $(DATA) --out $(OUT) $(if $(filter docs/evaluation,$(OUT)),--document docs/evaluation.md)

proto: $(VENV)/dev.stamp ## generate gen/ from protos/
	@$(BIN)/python protos/generate.py gen

proto-check: $(VENV)/dev.stamp ## gen/ is what protos/ says
	@$(BIN)/python protos/generate.py --check gen

proto-lint: $(VENV)/dev.stamp ## buf lint, and buf breaking against the released contract
	@$(BIN)/python protos/generate.py --lint gen

proto-release: $(VENV)/dev.stamp ## take today's contract as the released one, when a release is cut
	@$(BIN)/python protos/generate.py --release gen

prices: $(VENV)/dev.stamp ## look up the catalog's prices anew
	@$(BIN)/python -m planner.prices

manifests: $(VENV)/dev.stamp ## render deploy/overlays into dist/manifests, and hold them against Kubernetes' schemas
	@PYTHONPATH=tests $(BIN)/python tests/deploy/manifests.py dist/manifests

sbom: $(VENV)/dev.stamp ## of every image a bill of materials (CycloneDX) into dist/sbom
	@PYTHONPATH=tests $(BIN)/python tests/deploy/sbom.py dist/sbom

drill: $(VENV)/dev.stamp ## the production overlay on this machine, under load: restarts, deaths, drains, rotations; ARGS="signing key" for one
	@PYTHONPATH=tests $(BIN)/python -m drill $(ARGS)

lock: $(BIN)/uv ## resolve requirements/*.txt anew, leaving out releases younger than a week
	@before=$$(date -u -d '$(COOLDOWN_DAYS) days ago' +%Y-%m-%d) && \
	  set -- --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --exclude-newer $$before && \
	  $(UV) pip compile "$$@" --all-extras pyproject.toml -o requirements/run.txt >/dev/null && \
	  $(UV) pip compile "$$@" --all-extras --group dev -c requirements/run.txt pyproject.toml -o requirements/dev.txt >/dev/null && \
	  printf 'hatchling\nuv\n' | $(UV) pip compile "$$@" -c requirements/run.txt - -o requirements/build.txt >/dev/null && \
	  for extras in planner executor proof local gateway,cli; do \
	    $(UV) pip compile "$$@" --no-generate-hashes --no-annotate $$(echo "--extra $$extras" | sed 's/,/ --extra /g') \
	      -c requirements/run.txt pyproject.toml -o requirements/images/$${extras%%,*}.txt >/dev/null || exit; \
	  done

clean: ## remove what make made, but not .state
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find services tests -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/uv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "openprysm needs Python 3.11 or newer: make PYTHON=/path/to/python3.11 …" >&2; exit 1; }
	@echo "making $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)

$(VENV)/run.stamp: requirements/run.txt pyproject.toml | $(BIN)/uv
	@echo "installing openprysm"
	@$(UV) pip install --require-hashes -r requirements/run.txt
	@$(UV) pip install --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/dev.stamp: requirements/dev.txt requirements/run.txt pyproject.toml | $(BIN)/uv
	@echo "installing openprysm and the tools to develop it"
	@$(UV) pip install --require-hashes -r requirements/dev.txt
	@$(UV) pip install --no-deps --no-build-isolation -e .
	@touch $@ $(VENV)/run.stamp
