# `make demo` and `make test` work on a fresh machine with Python >= 3.11 and make.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: demo test test-lowest test-wheel check static docs install clean vendor pictures

demo: install
	$(BIN)/scaler demo --out runs/demo

# The whole: what CI runs.
test: static
	$(BIN)/pytest

# For the work in between: everything but the tests marked slow.
check: static
	$(BIN)/pytest -m "not slow"

# The tests with the lowest versions that pyproject.toml names, in an environment of its own.
LOWEST := .venv-lowest
test-lowest:
	test -x $(LOWEST)/bin/uv || ($(PYTHON) -m venv $(LOWEST) && $(LOWEST)/bin/python -m pip install --quiet uv)
	$(LOWEST)/bin/uv pip install --quiet --python $(LOWEST)/bin/python --resolution lowest-direct --group dev --editable .
	$(LOWEST)/bin/pytest

# The wheel, without the checkout, in an empty environment.
WHEEL := .venv-wheel
test-wheel:
	rm -rf $(WHEEL) && $(PYTHON) -m venv $(WHEEL)
	$(WHEEL)/bin/python -m pip wheel --quiet --no-deps --wheel-dir $(WHEEL)/dist .
	$(WHEEL)/bin/python -m pip install --quiet $(WHEEL)/dist/*.whl
	mkdir $(WHEEL)/empty && cd $(WHEEL)/empty && ../bin/scaler demo --out demo

static: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# The documentation as a site: open site/index.html. A page or a link that is wrong is an error.
docs: install
	$(BIN)/sphinx-build --quiet --fail-on-warning --keep-going docs site

# Chart.js and its licence for the report, as npm has them. Needs npm; a test compares the files with their digests.
CHART := 4.6.1
PAGE := $(CURDIR)/experiments/report/page
vendor:
	cd "$$(mktemp -d)" && npm pack --silent chart.js@$(CHART) && tar xzf chart.js-$(CHART).tgz \
		&& cp package/dist/chart.umd.min.js $(PAGE)/ && cp package/LICENSE.md $(PAGE)/chart.LICENSE.md
	cd $(PAGE) && sha256sum chart.umd.min.js chart.LICENSE.md > chart.sha256

# The pictures of README and docs, from the kept run in docs/example. Needs Chromium and its driver.
pictures: install
	$(BIN)/python -m experiments.studies.pictures

install: $(VENV)/.installed

# pip gets torch, torchvision and timm in one resolution: a torch that is older than torchvision's partner breaks timm.
$(VENV)/.installed: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --group dev --editable .
	touch $@

clean:
	rm -rf $(VENV) $(LOWEST) $(WHEEL)
