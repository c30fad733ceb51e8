# Everything a person types to work with Dispo. `make` alone lists it.

PYTHON ?= python3
BIN := .venv/bin
COMPILE := $(BIN)/uv pip compile -q --universal --generate-hashes --no-header --no-annotate \
  --no-emit-index-url --python-version 3.11

# The machine's own certificates, as pip uses them too.
export UV_SYSTEM_CERTS := 1

# What Python compiles is kept, even where the machine says otherwise: else each of the many processes
# compiles the libraries anew (7 s of one core for a command instead of 2).
unexport PYTHONDONTWRITEBYTECODE
export PYTHONPYCACHEPREFIX := $(CURDIR)/.venv/.compiled

.DEFAULT_GOAL := help
.PHONY: help run setup test check lint assets plugin bench torture lock clean

help: ## List the commands
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: .venv/.run ## Run Dispo with the demonstration shops; sets everything up first. Reads .env
	@set -a; if [ -f .env ]; then . ./.env; fi; set +a; exec $(BIN)/dispo run --demo

setup: .venv/.dev ## Install what development needs into .venv

# One process more than there are cores: many tests wait for a browser, a clock or a server.
TESTERS = $(shell n=$$(( $$(nproc) + 1 )); [ $$n -gt 8 ] && n=8; echo $$n)

test: .venv/.dev ## Run the tests. Some of them: make test ARGS="tests/workers -k killed"
	@$(BIN)/python -m pytest -n $(TESTERS) --dist loadfile --no-loadscope-reorder $(ARGS)

check: lint test ## Everything that must pass before a commit

lint: .venv/.dev ## Style, types and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

assets: .venv/.dev ## Make the shopper script of WooCommerce's plugin and Shopify's blocks, and translations
	@$(BIN)/python -m adapters.kit.scripts
	@$(BIN)/python -m adapters.stores.woocommerce.plugin.build assets
	@$(BIN)/python -m adapters.stores.shopify.theme.build

plugin: assets ## Build the WordPress plugin: dist/dispo.zip
	@$(BIN)/python -m adapters.stores.woocommerce.plugin.build zip

bench: .venv/.dev ## Measure: all, or one with NAME=…
	@$(BIN)/python -m benchmarks $(NAME)

torture: .venv/.dev ## Prove the promises under kills and faults
	@$(BIN)/python -m benchmarks.torture

lock: .venv/.dev ## Write run.lock and dev.lock anew from pyproject.toml. Newest versions: ARGS=--upgrade
	$(COMPILE) $(ARGS) --all-extras pyproject.toml -o run.lock
	$(COMPILE) $(ARGS) --all-extras --group dev -c run.lock pyproject.toml -o dev.lock

clean: ## Remove .venv; the data in .dispo stays
	rm -rf .venv .boot .mypy_cache .ruff_cache .import_linter_cache

# Without Debian's python3-venv there is no ensurepip: then uv, fetched by pip, makes the environment.
$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo 'Dispo needs Python 3.11 or newer: name one, as in make PYTHON=python3.12 …' >&2; exit 1; }
	@$(PYTHON) -m venv .venv >/dev/null 2>&1 || { rm -rf .venv && \
	  $(PYTHON) -m pip install -q --target .boot --require-hashes -r .ci/uv.lock && \
	  .boot/bin/uv venv -q --seed --python $(PYTHON) .venv; }

# uv takes two seconds where pip takes twenty; pip alone does as well.
.venv/.run .venv/.dev: .venv/.%: %.lock .ci/uv.lock .ci/link.py | $(BIN)/python
	@echo 'Installing $< …'
	@{ $(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r .ci/uv.lock && \
	  $(BIN)/uv pip install -q -p $(BIN)/python --require-hashes -r $<; } || \
	  $(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r $<
	@$(BIN)/python .ci/link.py
	@touch $@
