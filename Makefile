# make demo: see it work · make test: prove it · make quick: in a minute · make test-all: in full
# make bench: measure it · make hosts: cut networks
VENV := .venv
PYTHON ?= python3
BIN := $(VENV)/bin
WORKERS ?= auto
# Without it every worker, and every program that a test starts, compiles everything again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo docs fuzz hosts test test-all test-full quick lint screenshots lock clean

demo: $(VENV)/.ready
	@$(BIN)/newsletter demo demo

test: $(VENV)/.ready-dev
	$(BIN)/pytest -n $(WORKERS) --dist worksteal -m "not full and not hosts"

# What `make test` leaves out: the long simulations in full size.
test-full: $(VENV)/.ready-dev
	$(BIN)/pytest -n $(WORKERS) --dist worksteal -m full

test-all: test test-full

# Senders in network namespaces that are cut off, slow and lossy: as root, a minute or two.
hosts: $(VENV)/.ready-dev
	$(BIN)/pytest -s -m hosts tests/whole/test_hosts.py

quick: $(VENV)/.ready-dev
	$(BIN)/pytest -m "not slow"

# Inputs that nobody thought of, and figures of what became of them: FUZZ_EXAMPLES a target.
fuzz: $(VENV)/.ready-dev
	FUZZ_EXAMPLES=$${FUZZ_EXAMPLES:-5000} $(BIN)/pytest -s --timeout 0 tests/fuzz

# Half an hour on a machine at rest; BENCH=--quick is small and only shows that it works.
bench: $(VENV)/.ready-dev
	$(BIN)/python -m benchmarks.everything $(BENCH)

lint: $(VENV)/.ready-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# The pages of docs/ as a site in build/site; it fails for a link that leads nowhere.
docs: $(VENV)-docs/.ready
	NO_MKDOCS_2_WARNING=1 $(VENV)-docs/bin/mkdocs build --strict

screenshots: $(VENV)/.ready-dev tests/mails/browser/node_modules
	$(BIN)/python -m tests.making.samples build/mails
	node tests/mails/browser/screenshots.mjs build/mails/combined.html docs/images

lock: $(VENV)/.ready-dev
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --extra postgres --extra web pyproject.toml -o requirements.lock
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --constraint requirements.lock --group build -o requirements-build.lock
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --group dev pyproject.toml -o requirements-dev.lock
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --group docs -o requirements-docs.lock

clean:
	rm -rf $(VENV) $(VENV)-docs build demo

$(VENV)/.ready: requirements.lock requirements-build.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; this is " + sys.version.split()[0] + ". Try: make demo PYTHON=python3.12")'
	@echo "Setting up $(VENV) (once) ..."
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock -r requirements-build.lock
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.ready-dev: $(VENV)/.ready requirements-dev.lock
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $@

$(VENV)-docs/.ready: requirements-docs.lock
	@$(PYTHON) -m venv $(VENV)-docs
	@$(VENV)-docs/bin/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-docs.lock
	@touch $@

tests/mails/browser/node_modules: tests/mails/browser/package-lock.json
	npm ci --prefix tests/mails/browser --no-audit --no-fund
	@touch $@
