# make demo, make test: each sets itself up in .venv on first use.

VENV ?= .venv
LOCK ?= requirements/lock.txt
# Only for the first set-up; python3.11 or else a python3 that is newer.
PYTHON ?=
# A file's tests share fixtures and ports, so that each stays in one process.
TEST_PROCESSES ?= 2
# More options for the command: make test ARGS='-k ndam -x'
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help venv demo test smoke refusals lint format classic clean

help:
	@echo 'make demo     LAKD beside KD and no distillation on the digits data'
	@echo 'make test     the tests, without those marked slow'
	@echo 'make smoke    every method trained briefly on digits, by the benchmark'
	@echo 'make refusals every wrong input of docs/en/notes/wrong_inputs.md;'
	@echo '              with WRITE=1 that page is written anew'
	@echo 'make lint     ruff: rules and format (make format: mends both)'
	@echo 'make classic  the configs in the installed tools on torch 1.13'
	@echo 'make clean    removes builds and caches, keeps .venv and work_dirs'
	@echo
	@echo 'The first of them sets up $(VENV) from $(LOCK), about'
	@echo '5 GB; the next ones use it. VENV=, LOCK=, PYTHON= name others, ARGS='
	@echo 'passes options on.'

venv:
	@for python in $(or $(PYTHON),python3.11 python3); do \
	    if "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	        2>/dev/null; then \
	        exec "$$python" .ci/setup_venv.py \
	            --venv '$(VENV)' --lock '$(LOCK)'; \
	    fi; \
	done; \
	echo 'No Python 3.11 or newer found (tried:' \
	    '$(or $(PYTHON),python3.11 python3)): install one, or name it with' \
	    'PYTHON=path.' >&2; \
	exit 1

demo: venv
	@'$(VENV)/bin/python' tools/demo.py $(ARGS)

test: venv
	@'$(VENV)/bin/python' -m pytest -m 'not slow' \
	    -n $(TEST_PROCESSES) --dist loadfile $(ARGS)

smoke: venv
	@'$(VENV)/bin/python' tools/benchmark.py smoke --jobs 2 $(ARGS)

refusals: venv
	@WRITE_TABLE='$(WRITE)' '$(VENV)/bin/python' -m pytest -m slow \
	    tests/wrong_inputs $(ARGS)

lint: venv
	@'$(VENV)/bin/python' -m ruff check .
	@'$(VENV)/bin/python' -m ruff format --check .

format: venv
	@'$(VENV)/bin/python' -m ruff check --fix .
	@'$(VENV)/bin/python' -m ruff format .

# Makes an environment of its own.
classic:
	@bash tests/classic/check_installed_tools.sh

clean:
	@rm -rf build dist *.egg-info .pytest_cache .ruff_cache htmlcov \
	    .coverage .coverage.*
	@find . -path './.*' -prune -o -name __pycache__ -type d -prune \
	    -exec rm -rf {} +
