# make demo, make test: each sets itself up in .venv on first use.

VENV ?= .venv
LOCK ?= requirements/lock.txt
# Only for the first set-up; python3.11 or else a python3 that is newer.
PYTHON ?=
# A file's tests share fixtures and ports, so that each stays in one process.
# Reordered, those of the fewest tests would run last: the longest trainings.
TEST_PROCESSES ?= 2
# More options for the command: make test ARGS='-k ndam -x'
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help venv demo test smoke refusals families faults lint format docs classic clean

help:
	@echo 'make demo     LAKD beside KD and no distillation on the digits data'
	@echo 'make test     the tests, without those marked slow'
	@echo 'make smoke    LAKD and nine others trained briefly on digits, by the benchmark'
	@echo 'make families what works with which family of models;'
	@echo '              WRITE=1 writes docs/en/families.md'
	@echo 'make refusals every wrong input of docs/en/notes/wrong_inputs.md;'
	@echo '              with WRITE=1 that page is written anew'
	@echo 'make faults   the campaigns of docs/en/reliability.md: kills, full disks,'
	@echo '              made inputs, payloads, several machines, load'
	@echo 'make lint     ruff and mypy (make format: what ruff can mend)'
	@echo 'make docs     the site: docs/en/_build/html/index.html'
	@echo 'make classic  the configs in the installed tools on torch 1.13'
	@echo 'make clean    removes builds and caches, keeps .venv and work_dirs'
	@echo
	@echo 'The first of them sets up $(VENV) from $(LOCK), about'
	@echo '5 GB; the next ones use it. VENV=, LOCK=, PYTHON= name others, ARGS='
	@echo 'passes options on.'

# The stamp is written last, and its name has a sum of the lock and of the paths
# that the environment holds: without the right one it is made anew. Of two
# calls at a time one waits, where there is flock, and finds the stamp.
STAMP := $(VENV)/stamp_$(shell (pwd -P; echo '$(VENV)'; cat '$(LOCK)') | cksum | \
    tr ' ' _)
OURS := $(VENV)/made_by_mmrazor_lakd
ONE_CALL := $(if $(shell command -v flock),flock '$(VENV).lock')
# What would lead pip and Python elsewhere.
CLEAN := env -u PIP_PREFIX -u PIP_TARGET -u PIP_USER -u PYTHONHOME \
    -u PYTHONPATH

venv:
	@test -x '$(VENV)/bin/python' || rm -f '$(STAMP)'
	@test -e '$(STAMP)' || $(ONE_CALL) $(CLEAN) \
	    $(MAKE) --no-print-directory '$(STAMP)'

$(STAMP): $(LOCK)
	@if test -n "$$(ls -A '$(VENV)' 2>/dev/null)" && test ! -e '$(OURS)'; then \
	    echo '$(VENV) exists and was not made by this command: remove it,' \
	        'or name another folder with VENV=folder.' >&2; exit 1; \
	fi
	@for python in $(or $(PYTHON),python3.11 python3); do \
	    if "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	        2>/dev/null; then \
	        echo 'Setting up $(VENV) from $(LOCK).'; \
	        mkdir -p '$(VENV)' && touch '$(OURS)' && \
	        rm -f '$(VENV)'/stamp_* && find '$(VENV)/' -mindepth 1 \
	            -maxdepth 1 ! -path '*/$(notdir $(OURS))' -exec rm -rf {} + && \
	        exec "$$python" -m venv '$(VENV)'; \
	    fi; \
	done; \
	echo 'No Python 3.11 or newer found (tried:' \
	    '$(or $(PYTHON),python3.11 python3)): install one, or name it with' \
	    'PYTHON=path.' >&2; \
	exit 1
	@'$(VENV)/bin/python' -m pip install --no-input \
	    --disable-pip-version-check --progress-bar off -r '$(LOCK)'
	@# What an editable install does, without a build in the source tree.
	@'$(VENV)/bin/python' -c 'import os, pathlib, sysconfig as s; \
	    pathlib.Path(s.get_path("purelib"), "mmrazor_lakd_source.pth") \
	    .write_text(os.getcwd() + "\n")'
	@touch '$@'

demo: venv
	@'$(VENV)/bin/python' tools/demo.py $(ARGS)

test: venv
	@'$(VENV)/bin/python' -m pytest -m 'not slow' \
	    -n $(TEST_PROCESSES) --dist loadfile --no-loadscope-reorder $(ARGS)

smoke: venv
	@'$(VENV)/bin/python' tools/benchmark.py smoke --jobs 2 $(ARGS)

refusals: venv
	@WRITE_TABLE='$(WRITE)' '$(VENV)/bin/python' -m pytest -m slow \
	    tests/wrong_inputs $(ARGS)

families: venv
	@WRITE_TABLE='$(WRITE)' '$(VENV)/bin/python' -m pytest -m slow \
	    tests/families $(ARGS)

# Some of them are silent for longer than the others' limit.
faults: venv
	@'$(VENV)/bin/python' -m pytest -m slow -o faulthandler_timeout=1800 \
	    -n $(TEST_PROCESSES) --dist loadfile --no-loadscope-reorder \
	    tests/faults $(ARGS)

lint: venv
	@'$(VENV)/bin/python' -m ruff check .
	@'$(VENV)/bin/python' -m ruff format --check .
	@'$(VENV)/bin/python' -m mypy

format: venv
	@'$(VENV)/bin/python' -m ruff check --fix .
	@'$(VENV)/bin/python' -m ruff format .

# A link that leads nowhere is a warning, and so an error.
docs: venv
	@'$(VENV)/bin/python' -m sphinx -q -W --keep-going $(ARGS) \
	    docs/en docs/en/_build/html
	@echo 'docs/en/_build/html/index.html'

# Makes an environment of its own.
classic:
	@bash tests/classic/check_installed_tools.sh

clean:
	@rm -rf build dist *.egg-info .pytest_cache .ruff_cache .mypy_cache htmlcov \
	    docs/en/_build docs/en/generated \
	    .coverage .coverage.*
	@find . -path './.*' -prune -o -name __pycache__ -type d -prune \
	    -exec rm -rf {} +
