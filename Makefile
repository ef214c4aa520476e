# The commands of the project. `make up` is all that a person needs.
SHELL := /bin/bash
PY := .venv/bin/python
unexport PYTHONDONTWRITEBYTECODE  # every process would compile all that it imports

.PHONY: docs up demo down doctor test check soak bench assets lock clean base dev dev-assets help

help:  ## these lines
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 12

up: base assets  ## install what is missing and start the studio
	@exec $(PY) manage.py up

demo: base assets  ## fill an empty studio with real runs, by training
	@$(PY) manage.py demo

down: base  ## stop a studio that runs in the background
	@$(PY) manage.py down

doctor: base  ## say what is available and how to mend what is not
	@$(PY) manage.py doctor

test: dev dev-assets  ## every test but the soak tests
	$(PY) -m pytest -m "not soak" --numprocesses 2 --dist loadfile $(ARGS)

check: dev dev-assets  ## what CI checks beside the tests: style, types, imports, templates, settings
	scripts/check.sh

soak: dev dev-assets  ## tests that run for long
	$(PY) -m pytest -m soak --timeout=7200 $(ARGS)

bench: dev  ## measure; prints ratios against other servers
	$(PY) -m benchmarks $(ARGS)

assets: base  ## browser assets, from the npm packages of package-lock.json
	@$(PY) scripts/vendor.py

docs: dev  ## write the list of API calls in docs/reference/api.md anew
	$(PY) scripts/api_reference.py

lock: dev  ## write the lock files anew from pyproject.toml
	.venv/bin/uv pip compile pyproject.toml --universal --generate-hashes --no-header \
	    --extra dev --upgrade --output-file requirements/dev.lock --quiet
	.venv/bin/uv pip compile pyproject.toml --universal --generate-hashes --no-header \
	    --constraint requirements/dev.lock --output-file requirements/base.lock --quiet
	.venv/bin/uv pip compile serving/requirements.in --universal --generate-hashes --no-header \
	    --python-version 3.9 --upgrade --output-file serving/requirements.lock --quiet

clean:  ## remove what was made, but not the data folder
	rm -rf .venv node_modules static/vendor dist build .mypy_cache .ruff_cache .pytest_cache \
	    .hypothesis .import_linter_cache test-results

base:
	@scripts/venv.sh base

dev:
	@scripts/venv.sh dev

dev-assets: dev
	@$(PY) scripts/vendor.py --dev
