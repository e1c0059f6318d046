# make lab        JupyterLab on the first lesson; makes the environment the first time
# make test       everything that is tested here
# make run        all lessons without a browser, with a report in runs/    (LESSONS="03 -p sparsity=0.8")
# make notebooks  build the notebooks from their sources and run them in full
# make bench      measure training and pruning on this machine
#
# PYTHON=python3.12    the Python to build with (3.11 or newer)
# TORCH_INDEX=URL      where torch comes from; PyTorch's CPU builds: https://download.pytorch.org/whl/cpu
# LABKIT_LAB_ARGS=...  more arguments for JupyterLab

PYTHON ?= python3
TORCH_INDEX ?=
LESSONS ?=
BIN := .venv/bin
# Lessons with outputs that are the same everywhere; tests/notebooks runs all lessons, these and the others.
COMPARED = $(shell grep -l nbval-check-output notebooks/*.ipynb)
SETUP = @command -v $(PYTHON) >/dev/null || { echo "labkit: Python 3.11 or newer is needed: install python3, \
	or name one: make lab PYTHON=/path/to/python3.11"; exit 1; }; \
	$(PYTHON) -I labkit/bootstrap.py $(if $(TORCH_INDEX),--torch-index $(TORCH_INDEX))

.PHONY: lab test run notebooks bench
.DEFAULT_GOAL := lab

lab:
	$(SETUP)
	@$(BIN)/labkit lab

test:
	$(SETUP) --extra test
	@$(BIN)/python -m pytest labkit tests $(COMPARED) --nbval-lax --nbval-current-env --nbval-cell-timeout 600 --durations=20

run:
	$(SETUP)
	@$(BIN)/labkit run $(LESSONS)

notebooks:
	$(SETUP)
	@$(BIN)/labkit notebooks build --execute

bench:
	$(SETUP)
	@$(BIN)/labkit bench training
	@$(BIN)/labkit bench pruning
