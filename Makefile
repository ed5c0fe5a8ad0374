# Every target works on a fresh machine with Python 3.11+ and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help env demo test quick check docs bench clean

help: ## list the targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /\1\t/' | expand -t 10

env: $(STAMP) ## make .venv with everything that development needs
$(STAMP): pyproject.toml constraints.txt .ci/venv
	@.ci/venv "$(PYTHON)" "$(VENV)"
	@touch $@

demo: $(STAMP) ## audit a real example and print where the report is
	@$(BIN)/harm-audit demo

test: $(STAMP) ## run every test; with CI=true a missing browser or database is a failure
	@.ci/needs
	$(BIN)/python -m pytest $(PYTEST_ARGS)

# What a change most often breaks; `make test` runs the rest.
QUICK = tests/architecture tests/spec tests/gate tests/bundle tests/statistics tests/engine/test_conformance.py \
	tests/engine/test_gates_have_lied.py tests/engine/test_oracles.py tests/engine/test_statistical_paths.py \
	tests/report/test_formats.py tests/examples/test_published_counts.py tests/governance/test_catalogue.py \
	tests/monitor/test_evidence.py tests/analysis/test_lattice.py

quick: $(STAMP) ## run the tests that take under a minute together
	HYPOTHESIS=quick $(BIN)/python -m pytest -m "not slow" -n 2 $(QUICK) $(PYTEST_ARGS)

check: $(STAMP) ## format, lint, types, generated pages, the site and its links
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python docs/build.py --check
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict

docs: $(STAMP) ## write the generated pages of docs/, and the site into build/site
	$(BIN)/python docs/build.py
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict

bench: $(STAMP) ## measure; each script ends with one line of JSON
	@for script in benchmarks/*.py; do echo "== $$script"; $(BIN)/python "$$script" || exit 1; done

clean: ## remove what the other targets made
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache
