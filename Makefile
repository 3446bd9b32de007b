# `make demo` and `make test` work on a fresh machine with Python >= 3.11 and make.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: demo test check static install clean

demo: install
	$(BIN)/scaler demo --out runs/demo

# The whole: what CI runs.
test: static
	$(BIN)/pytest

# For the work in between: everything but the tests marked slow.
check: static
	$(BIN)/pytest -m "not slow"

static: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

install: $(VENV)/.installed

# pip gets torch, torchvision and timm in one resolution: a torch that is older than torchvision's partner breaks timm.
$(VENV)/.installed: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --group dev --editable .
	touch $@

clean:
	rm -rf $(VENV)
