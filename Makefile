# Growth Rings. Every command sets up what it needs by itself: a .venv from requirements.lock.
# `make` alone lists the commands.

DATASET ?= sample
WEEK    ?= latest
WEEKS   ?=
ROOT    ?=
ARGS    ?=
SIZE    ?= full

# The first of these that is new enough; `make report PYTHON=/path/to/python3` names another.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python; do \
	  $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)

VENV := .venv
RUN  := $(VENV)/bin/python
# What the environment was made for: this place, these versions. The last thing that the set-up writes.
WANTED := { pwd; cat requirements.lock pyproject.toml; }

LOCKED := --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header

export UV_PYTHON_DOWNLOADS := never
export UV_NO_PROGRESS := 1
unexport PYTHONDONTWRITEBYTECODE PYTHONPATH PYTHONHOME VIRTUAL_ENV

.DEFAULT_GOAL := help
.PHONY: help setup report plan test test-hard lab bench screenshots tidy lock clean

help: ## List the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' Makefile

report: setup ## Build the weekly report: DATASET=sample (or all) WEEK=2026-W10 WEEKS=12 ROOT=folder-of-the-files ARGS="-p name=value"
	@$(RUN) -m helpers report $(if $(filter all,$(DATASET)),--all,$(DATASET)) --week $(WEEK) $(if $(WEEKS),--weeks $(WEEKS)) $(if $(ROOT),--root "$(ROOT)") $(ARGS)

plan: setup ## Say what `make report` would run, and why
	@$(RUN) -m helpers plan $(DATASET) --week $(WEEK) $(if $(ROOT),--root "$(ROOT)") $(ARGS)

test: setup ## Check everything that needs no root, Spark or browser (under 8 minutes)
	@$(RUN) -m ruff check .
	@$(RUN) -m pytest -n 2 --dist loadgroup -m "not hard and not reports" $(ARGS)

test-hard: setup ## Check what needs root, Spark, strace or a browser
	@$(RUN) -c 'import axe_playwright_python, playwright, pyspark' 2>/dev/null || $(MAKE) --no-print-directory -s .hard
	@$(RUN) -m pytest -n 2 --dist loadgroup -m hard $(ARGS)

lab: setup ## Open JupyterLab on copies of the notebooks: DATASET=sample WEEK=2026-W10 ROOT=... ARGS="-p name=value"
	@$(RUN) -m helpers lab $(DATASET) --week $(WEEK) $(if $(ROOT),--root "$(ROOT)") $(ARGS)

bench: setup ## Measure cleaning and facts against SQL by hand, a whole run against papermill commands: SIZE=full, small or large
	@$(RUN) -c 'import tea_tasting' 2>/dev/null \
	  || $(VENV)/bin/uv pip install --quiet --python $(RUN) --no-deps --require-hashes -r requirements-bench.lock
	@$(RUN) -m benchmarks $(SIZE)

screenshots: setup ## Take the README's pictures of the sample's report
	@$(RUN) -c 'import playwright' 2>/dev/null || $(MAKE) --no-print-directory -s .hard
	@$(RUN) docs/screenshots.py

tidy: setup ## Strip the notebooks and mend what ruff can mend
	@$(RUN) -m helpers tidy
	@$(RUN) -m ruff check --quiet --fix .

lock: setup ## Resolve the lock files again, within the bounds of pyproject.toml
	@$(VENV)/bin/uv pip compile pyproject.toml --extra test --extra build $(LOCKED) -o requirements.lock
	@$(RUN) -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]["hard"], sep="\n")' \
	  | $(VENV)/bin/uv pip compile - --constraint requirements.lock $(LOCKED) -o requirements-hard.lock
	@$(RUN) -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]["bench"], sep="\n")' \
	  | $(VENV)/bin/uv pip compile - --no-deps --constraint requirements.lock $(LOCKED) -o requirements-bench.lock

clean: ## Remove the environment and everything that was built; sources and reports stay
	rm -rf $(VENV) .ruff_cache
	@# Who is forgotten stays forgotten: that list is no product of a run.
	find data/*/built -mindepth 1 ! -name forgotten.csv -delete 2>/dev/null || true

setup: # Make or mend the environment; when it is as wanted, this costs milliseconds
	@$(WANTED) | cmp -s - $(VENV)/made-for && test -x $(RUN) || $(MAKE) --no-print-directory -s .venv-again

.PHONY: .hard
.hard: # Spark comes as source, so what builds it goes first, from the same lock
	@awk '/^setuptools==/ { p = 1 } p { print } p && !/\\$$/ { exit }' requirements-hard.lock > $(VENV)/setuptools.txt
	@for what in $(VENV)/setuptools.txt requirements-hard.lock; do \
	  $(VENV)/bin/uv pip install --quiet --python $(RUN) --no-build-isolation --require-hashes -r $$what \
	  || $(RUN) -m pip install --quiet --no-build-isolation --require-hashes -r $$what || exit 4; done

.PHONY: .venv-again
.venv-again:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed; name one: make report PYTHON=/path/to/python3" >&2; exit 4; }
	@echo "Setting up $(VENV) with $(PYTHON) ..." >&2
	@$(RUN) -m pip --version >/dev/null 2>&1 && $(RUN) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  rm -rf $(VENV) && "$(PYTHON)" -m venv $(VENV); } || { rm -rf $(VENV); \
	  echo "$(PYTHON) cannot make a virtual environment; on Debian: apt install python3-venv" >&2; exit 4; }
	@awk '/^uv==/ { p = 1 } p { print } p && !/\\$$/ { exit }' requirements.lock | grep -v '#' > $(VENV)/uv.txt
	@$(RUN) -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r $(VENV)/uv.txt
	@how=; test -f $(VENV)/made-for || how=--reinstall; rm -f $(VENV)/made-for; \
	  index=$$($(RUN) -m pip config get global.index-url 2>/dev/null); \
	  test -z "$$index" || export UV_DEFAULT_INDEX="$${UV_DEFAULT_INDEX:-$$index}"; \
	  $(VENV)/bin/uv pip sync --quiet $$how --python $(RUN) --require-hashes requirements.lock \
	  || { echo "uv cannot install here; pip takes a minute or two ..." >&2; $(RUN) -m pip install --quiet \
	       --disable-pip-version-check --force-reinstall --require-hashes -r requirements.lock; }
	@$(VENV)/bin/uv pip install --quiet --python $(RUN) --no-deps --no-build-isolation -e . \
	  || $(RUN) -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@$(WANTED) > $(VENV)/made-for.part && mv $(VENV)/made-for.part $(VENV)/made-for
