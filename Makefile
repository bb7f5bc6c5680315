# Every target sets up what it needs; nothing is installed by hand before, besides make and python3.
PYTHON ?= python3
VENV ?= .venv
PHOTO ?=
SOAK ?=

BIN := $(VENV)/bin
READY := $(VENV)/.ready
PG_INITDB = $(firstword $(wildcard /usr/lib/postgresql/*/bin/initdb) $(shell command -v initdb))

.PHONY: help setup demo test drills soak load image-check lint format postgres prometheus clean

help:
	@echo "make setup               a virtual environment in $(VENV) with everything in it"
	@echo "make demo [PHOTO=path]   anonymize a photo and recover it"
	@echo "make test                linters, types, import contracts, tests"
	@echo "make drills              the tests with many more examples"
	@echo "make soak                two hours of mixed load; SOAK='--minutes 10' for less"
	@echo "make load                what a request costs, with many clients and with one"
	@echo "make image-check         build the container image and start it; as root on Debian, without an engine"
	@echo "make lint | format       the linters alone | rewrite the code as they want it"
	@echo "make clean               remove the environment and everything made"

setup: $(READY)

# torch first and by itself: what follows must accept it, not replace it.
$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Visard needs Python 3.11 or newer")'
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || .ci/packages "Python's venv module" python3-venv
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --disable-pip-version-check -q 'torch==2.13.0'
	$(BIN)/python -m pip install --disable-pip-version-check -q -e '.[dev]'
	@$(BIN)/python -c 'import cv2' 2>/dev/null || .ci/packages "a library OpenCV needs" libgl1 libglib2.0-0
	@$(BIN)/python -c 'import cv2'
	@touch $@

demo: $(READY)
	$(BIN)/visard demo $(if $(PHOTO),--photo '$(PHOTO)')

lint: $(READY)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/lint-imports
	$(BIN)/mypy

format: $(READY)
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

# One thread each: tests that run side by side would otherwise spin against each other.
test drills: export OMP_NUM_THREADS ?= 1

test: lint postgres prometheus
	$(BIN)/python -m pytest -q -n 2 --dist loadgroup

drills: $(READY) postgres prometheus
	HYPOTHESIS_PROFILE=drills $(BIN)/python -m pytest -q -n 2 --dist loadgroup

soak: $(READY)
	$(BIN)/python -m tests.drills.soak $(SOAK)

load: $(READY)
	$(BIN)/python -m tests.drills.load

image-check: $(READY)
	@command -v buildah >/dev/null && command -v debootstrap >/dev/null || \
		.ci/packages "what builds an image" buildah debootstrap
	$(BIN)/python -m pytest -q tests/image/checks.py

# The tests start private servers, among them one to stop and start; for most of them VISARD_TEST_POSTGRES_URL
# names another one instead.
postgres:
	@$(if $(PG_INITDB),:,.ci/packages PostgreSQL postgresql)

# Rules and dashboard are tried on a server of the tests' own.
prometheus:
	@command -v promtool >/dev/null && command -v prometheus >/dev/null || .ci/packages Prometheus prometheus

clean:
	rm -rf $(VENV) build dist demo .hypothesis .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
	find service migrations tests -name __pycache__ -type d -exec rm -rf {} +
