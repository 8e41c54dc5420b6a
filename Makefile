# The commands of a checkout.  Each makes `.venv` first if it is missing or older than what it is made from; that takes
# nothing but Python 3.11 or later (with venv and pip) and about two minutes.

PYTHON ?= $(firstword $(foreach name,python3 python3.13 python3.12 python3.11 python3.14 python,$(call usable,$(name))))
usable = $(shell $(1) -c 'import sys, venv, ensurepip; sys.version_info >= (3, 11) or sys.exit(1)' 2>/dev/null && echo $(1))

BIN := .venv/bin
READY := .venv/ready
ALONE := browser or wheel

.PHONY: help lab demo test test-fast bench gpu check .venv
.DEFAULT_GOAL := help

help:  ## these lines
	@sed -n 's/^\([a-z.-]*\):.*## /\1\t/p' Makefile | expand -t 12

.venv: $(READY)  ## the environment: made when missing, made anew when pyproject.toml or constraints.txt changed

lab: $(READY)  ## open the first lesson in JupyterLab; POLYLOOM_LAB_ARGS="--no-browser --port=8890" goes to jupyter lab
	$(BIN)/polyloom lab notebooks $(POLYLOOM_LAB_ARGS)

demo: $(READY)  ## open the web demo; POLYLOOM_DEMO_ARGS="--port=8000" goes to polyloom demo
	$(BIN)/polyloom demo $(POLYLOOM_DEMO_ARGS)

# What measures time in a browser runs by itself, at the end.
test: check  ## everything CI runs: check, unit tests, lessons, browser, installed wheel
	$(BIN)/python -m pytest -n auto -m "not ($(ALONE))"
	$(BIN)/python -m pytest -n 2 --dist loadfile -m "browser and lesson or wheel" -v
	$(BIN)/python -m pytest -m "browser and not lesson" -v --durations=10

test-fast: $(READY)  ## the tests that need neither browser nor kernel nor package registry, nor long
	$(BIN)/python -m pytest -n auto -m "not ($(ALONE) or lesson or long)"

bench: $(READY)  ## every benchmark; writes benchmarks/latest.json
	$(BIN)/polyloom bench --json benchmarks/latest.json

# The same tests once more under each tool of compute-sanitizer, where it is installed; then the figures.
gpu: $(READY)  ## with an NVIDIA GPU: the tests of the kernels, compute-sanitizer, benchmarks; writes benchmarks/gpu.json
	@$(BIN)/python -m polyloom_kernels._device
	$(BIN)/python -m pytest -m gpu tests/cuda_kernels
	@for tool in $(shell command -v compute-sanitizer >/dev/null && echo memcheck racecheck); do \
	  compute-sanitizer --tool $$tool --error-exitcode 1 $(BIN)/python -m pytest -q -m gpu -k small tests/cuda_kernels || exit 1; \
	done
	@command -v compute-sanitizer >/dev/null || echo "compute-sanitizer is not installed: memcheck and racecheck did not run"
	$(BIN)/polyloom kernels --gpu benchmarks/gpu.json

check: $(READY)  ## ruff, pyright and the rules of the layout
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/pyright
	$(BIN)/python -m pytest -q tests/test_layout.py

# The stamp is written last, in a folder that begins empty: an install that failed or was interrupted never looks ready.
# It holds the path of the checkout, because a copied or moved environment still imports from where it was made.
moved = $(shell test ! -e $(READY) || { test "$$(cat $(READY))" = "$(CURDIR)" && $(BIN)/python -c ""; } 2>/dev/null || echo anew)

.PHONY: anew
anew: ;

$(READY): pyproject.toml constraints.txt $(moved)
	@test -n "$(PYTHON)" || { echo "Polyloom needs Python 3.11 or later with venv and pip: install it, or make PYTHON=/path/to/python" >&2; exit 1; }
	$(PYTHON) -m venv --clear .venv
	$(BIN)/python -m pip install --disable-pip-version-check --progress-bar off -c constraints.txt -e ".[dev]"
	@echo "$(CURDIR)" > $(READY)
