# Everyday commands. They use the environment in .venv (see CONTRIBUTING.md); PYTHON names another.
PYTHON ?= .venv/bin/python

.PHONY: help lint test docs tables bench

help:
	@echo "make lint | test | docs | tables | bench"

lint:
	$(PYTHON) -m ruff check .
	$(PYTHON) -m mypy
	npm install --silent --no-audit --no-fund --no-package-lock && npx biome ci

test:
	$(PYTHON) -m pytest -q

docs:
	NO_MKDOCS_2_WARNING=1 $(PYTHON) -m mkdocs build --strict

tables:
	$(PYTHON) -m training tables

bench:
	$(PYTHON) -m training bench
