# The README explains `make figures`, `make test` and `make demo`; `make help` lists all targets.

PYTHON ?= python3
BIN := .venv/bin
EXTRAS := test,dev,cluster,demo,docs
STAMP := .venv/.installed

# Compiled modules are kept in __pycache__, whatever the shell says: without them every process starts seconds later.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help figures demo notebooks test test-lowest test-browser simulate docs fuzz mutants gallery lint check bench maps constraints release-files clean

help: ## list the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

figures: $(STAMP) ## build every figure into build/figures, except those that have not changed
	$(BIN)/overtraining figures

demo: $(STAMP) ## open the lessons in a browser
	$(BIN)/overtraining demo

notebooks: $(STAMP) ## write the lessons as notebooks, with their pictures, into build/notebooks
	mkdir -p build/notebooks
	@for lesson in demos/lessons/lesson_*.py; do \
	    $(BIN)/marimo --quiet export ipynb $$lesson --include-outputs --force --output build/notebooks/$$(basename $$lesson .py).ipynb \
	        && echo build/notebooks/$$(basename $$lesson .py).ipynb || exit 1; \
	done

test: $(STAMP) ## run all tests and doctests; run `make figures` before, and `make check` and `make simulate` for the claims
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder -rs

# Warnings of deprecation are those of the old libraries about newer ones that they use. Left out is a test that compares
# the bytes of figures that are built twice, which the old libraries do not always repeat.
LOWEST_TESTS := tests/setting tests/simulations/test_measurements.py tests/simulations/test_pretraining.py \
    tests/simulations/test_networks.py tests/simulations/test_optimizers.py tests/simulations/sweeps/test_batches.py \
    tests/simulations/sweeps/test_measures.py tests/simulations/sweeps/test_recipe.py tests/simulations/sweeps/test_result.py \
    tests/experiments/test_memoized.py tests/theory/test_checks.py tests/theory/test_products.py \
    tests/figures/test_build_figure.py tests/figures/test_drawing.py tests/figures/test_plain_text.py \
    tests/figures/test_provenance.py tests/figures/llm tests/figures/book tests/demos/test_serve.py tests/overtraining/commands
test-lowest: $(STAMP) ## test the lowest versions that pyproject.toml allows, in an environment of their own, with a part of the tests
	$(BIN)/uv venv --quiet --clear --python 3.11 build/lowest
	$(BIN)/uv pip install --quiet --python build/lowest --resolution lowest-direct -e '.[test,demo,cluster]'
	build/lowest/bin/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder -p no:cacheprovider \
	    -W ignore::DeprecationWarning -W ignore::PendingDeprecationWarning \
	    --deselect tests/figures/test_build_figure.py::test_only_what_is_missing_is_computed $(LOWEST_TESTS)

test-browser: .venv/.with-browser ## test lessons and page in Chromium (CHROMIUM or on PATH); screenshots in build/screenshots
	$(BIN)/python -m pytest -n 2 --dist loadfile tests/browser

simulate: $(STAMP) ## run the experiment of every claim with the quick preset; fails if a claim is refuted
	$(BIN)/overtraining simulate --all --out build/experiments --json build/verdicts.json

fuzz: $(STAMP) ## read 10,000 damaged result files, protocols, sweeps and arrays each (`make test` reads some hundred)
	OVERTRAINING_MUTANTS=10000 $(BIN)/python -m pytest -q tests/figures/llm/readers/test_fuzz.py tests/test_fuzz.py

check: $(STAMP) ## check every derivation from scratch and write the book of derivations into build/book
	$(BIN)/python -W error -m overtraining check --html build/book --json build/check.json

# What the site shows of checks and experiments is made again only after a change of their sources.
SOURCES = $(shell find setting runtime theory simulations experiments figures -name '*.py' -o -name '*.css' -o -name '*.toml')
build/check.json: $(SOURCES) | $(STAMP)
	$(MAKE) check
build/verdicts.json: $(SOURCES) | $(STAMP)
	$(MAKE) simulate

docs: $(STAMP) figures build/check.json build/verdicts.json ## build the documentation's site into build/docs
	$(BIN)/overtraining page --out build/overtraining.html
	$(BIN)/sphinx-build --quiet --fail-on-warning --keep-going --jobs 2 --builder html --doctree-dir build/doctrees docs build/docs
	@echo build/docs/index.html

mutants: $(STAMP) ## change 200 expressions, one at a time: fails if the tests do not notice (half an hour of CPU time)
	$(BIN)/python -m benchmarks.mutants

bench: $(STAMP) ## measure speed and memory into benchmarks/results (five minutes on an idle machine)
	$(BIN)/python -m benchmarks

lint: $(STAMP) ## run the linters, the import contracts and the type checker
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

gallery: figures ## renew the committed pictures and numbers that README and tests show and compare
	mkdir -p gallery && cp build/figures/*.png gallery/ && cp -r build/figures/numbers build/figures/captions gallery/

maps: $(STAMP) ## renew docs/claims.md (from the ledger) and docs/vocabulary.md (from docs/vocabulary.toml)
	$(BIN)/python docs/maps.py

constraints: $(STAMP) ## renew the pinned versions in constraints.txt, for Python 3.11 and newer
	$(BIN)/uv pip compile --upgrade --universal --python-version 3.11 --all-extras --no-header --no-annotate \
	    --no-emit-index-url --no-emit-find-links --quiet pyproject.toml -o constraints.txt

# The first piece of code in README runs with the wheel alone, in a folder with nothing of the project.
release-files: $(STAMP) ## build sdist and wheel into dist, and try the wheel where nothing else is installed
	rm -rf dist build/try build/tried
	$(BIN)/uv build --quiet --build-constraint constraints.txt --out-dir dist
	$(BIN)/uv venv --quiet --python 3.11 build/try
	$(BIN)/uv pip install --quiet --python build/try -c constraints.txt dist/*.whl
	mkdir -p build/tried
	awk '/^```/ { part++; next } part == 1' README.md > build/tried/readme.py
	cd build/tried && ../try/bin/python -W error readme.py && ../try/bin/overtraining --version
	@ls dist/*

clean: ## remove the environment and everything built
	rm -rf .venv build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The environment is made once, and again only when pyproject.toml or constraints.txt has changed. uv is some four times
# faster than pip; where it cannot be installed, pip does the same work.
$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	    || { echo "Python 3.11 or newer is needed, $(PYTHON) is older; try: make PYTHON=python3.12 ..."; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt uv \
	    || echo "uv cannot be installed here; installing with pip, which takes longer"
	@$(call INSTALL,$(EXTRAS))
	@touch $@

.venv/.with-%: $(STAMP) # an optional extra
	@$(call INSTALL,$*)
	@touch $@

define INSTALL
if test -x $(BIN)/uv; then $(BIN)/uv pip install --quiet --python $(BIN)/python -c constraints.txt -e '.[$(1)]'; \
else $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[$(1)]'; fi
endef
