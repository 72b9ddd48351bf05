# metaug: `make` lists what there is. Every target does the set-up that it needs, once.
# Change a variable on the command line: make run RUN_ARGS="run --data esc10", make venv PYTHON=/opt/python3.11/bin/python3.11

VENV ?= .venv
# Empty: the first of python3.11, python3.12, python3.13 and python3 that is new enough.
PYTHON ?=
# CPU=1 leaves the packages of CUDA out; PIP_ARGS then names an index that has PyTorch's wheels for the CPU:
# make venv CPU=1 PIP_ARGS="--extra-index-url URL"
CPU ?=
PIP_ARGS ?=
RUN_ARGS ?= demo --out runs/demo
TEST_ARGS ?=
STUDY_ARGS ?=
STUDY2 ?= pools cells few harsh urbansound8k eighths best
STUDY2_ARGS ?=
MUDA ?= muda==0.4.1

BIN := $(VENV)/bin
STAMP := $(VENV)/.ready
UNDONE := $(VENV)/.installing
# Two workers with one thread each are faster on two cores than two that fight for both.
ONE_THREAD := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1 NUMBA_NUM_THREADS=1
# What nbdev_test is given: the rooms, the tutorials, the lessons.
define NOTEBOOKS
nbs --skip_file_re ^([_.0-9]|index) --skip_folder_re ^([_.]|tutorials)
nbs/tutorials --file_re ^[a-l]
nbs/tutorials --file_re ^[m-t]
nbs/tutorials --file_re ^[u-z]
nbs --skip_folder_re . --file_re ^0[0-4]
nbs --skip_folder_re . --skip_file_re ^([_.]|0[0-4])
endef
export NOTEBOOKS
AS_ROOT := $(if $(filter 0,$(shell id -u)),--allow-root)

# Containers often set it; then each of the many processes that a target starts would compile our modules anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help venv run test study study2 docs lab prepare lock clean

help: ## List the targets
	@sed -n 's/^\([a-z0-9]*\):.*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{printf "%-15s %s\n", $$1, $$2}'

venv: $(STAMP) ## Set up: a virtual environment in .venv with the tested versions; small with CPU=1

# An environment whose last install was cut off, or that has no working pip, is emptied and made anew:
# half a package can look installed. muda goes in without its dependencies, since one of them, pysoundfile,
# overwrites the files of soundfile; the rest of what muda needs is in the lock. Its setup script imports `imp`,
# which Python 3.12 dropped: .ci/muda lends it one.
# librosa compiles functions when it is first imported, and two processes that do so at once spoil them for good (numba #10128:
# every later call dies of a segmentation fault), so it is imported once here.
$(STAMP): requirements.lock settings.ini setup.py
	@set -e; \
	new_enough='import sys; sys.exit(sys.version_info < (3, 11))'; \
	python=""; \
	for p in $(if $(PYTHON),"$(PYTHON)",python3.11 python3.12 python3.13 python3); do \
	    if "$$p" -c "$$new_enough" 2>/dev/null; then python="$$p"; break; fi; \
	done; \
	if [ -z "$$python" ]; then \
	    echo "metaug needs Python 3.11 or newer, and $(or $(PYTHON),python3) is $$("$(or $(PYTHON),python3)" --version 2>&1 | tail -n 1)." >&2; \
	    echo "Install it, or name it: make venv PYTHON=/path/to/python3.11" >&2; exit 1; \
	fi; \
	if ! "$$python" -c 'import ensurepip, venv' 2>/dev/null; then \
	    echo "$$python has no venv module. On Debian and Ubuntu it is in the package python3-venv (or python3.11-venv)." >&2; exit 1; \
	fi; \
	if [ -e "$(UNDONE)" ] || ! "$(BIN)/python" -m pip --version >/dev/null 2>&1; then \
	    echo "Making $(VENV) with $$("$$python" --version)"; \
	    "$$python" -m venv --clear "$(VENV)"; \
	fi; \
	touch "$(UNDONE)"; \
	echo "Installing the tested versions: some minutes the first time"; \
	grep -vE '$(if $(CPU),^(cuda-|nvidia-|triton=),^$$)' requirements.lock > "$(VENV)/requirements.txt"; \
	"$(BIN)/python" -m pip install --quiet --disable-pip-version-check $(PIP_ARGS) -r "$(VENV)/requirements.txt"; \
	PYTHONPATH=.ci/muda "$(BIN)/python" -m pip install --quiet --disable-pip-version-check --no-deps "$(MUDA)"; \
	"$(BIN)/python" -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .; \
	"$(BIN)/python" -W ignore -c 'import ipykernel, librosa.core.pitch, muda, soundfile'; \
	mv "$(UNDONE)" "$@"; \
	echo "Ready: $(BIN)/metaug, and the kernel python3 for Jupyter and papermill ($$(du -sh "$(VENV)" | cut -f 1) in $(VENV))"

run: $(STAMP) ## The main job: metric-learning selection on generated sounds whose truth is known, about a minute
	$(BIN)/metaug $(RUN_ARGS)

# A process for each line of NOTEBOOKS: an import takes seconds, and the memory of a process is given back at its end.
test: $(STAMP) ## Run the notebooks' cells as tests, then the tests in tests/
	@echo "$$NOTEBOOKS" | $(ONE_THREAD) PYTHONFAULTHANDLER=1 PYTHONUNBUFFERED=1 xargs -P 2 -L 1 sh -c \
	    '$(BIN)/nbdev_test --n_workers 0 --do_print --path "$$@"; status=$$?; echo "$$*: status $$status"; test $$status -eq 0' sh
	$(ONE_THREAD) $(BIN)/python -m pytest -q -ra -n 2 --dist loadfile --no-loadscope-reorder --durations=12 tests $(TEST_ARGS)

study: $(STAMP) ## The study on ESC-10: seven to thirteen hours on two cores, goes on where it was cut off
	mkdir -p runs
	$(ONE_THREAD) METAUG_DATA="$${METAUG_DATA:+$$($(BIN)/python -c 'import os, sys; print(os.path.abspath(sys.argv[1]))' "$$METAUG_DATA")}" \
	    $(BIN)/papermill nbs/tutorials/study.ipynb runs/study.ipynb --cwd nbs/tutorials -p run True $(STUDY_ARGS)

study2: $(STAMP) ## Its second part, with doubtful candidates: about twenty hours on two cores, resumes where it was interrupted
	@set -e; for part in $(STUDY2); do $(ONE_THREAD) $(BIN)/python nbs/tutorials/study2.py $$part $(STUDY2_ARGS); done

docs: $(STAMP) ## Build the site into _docs
	@PATH="$(abspath $(BIN)):$$PATH" PYTHONWARNINGS=ignore smalldocs render --strict .
	$(BIN)/python .ci/house.py links _docs

# What JupyterLab adds to a notebook when it is opened or run is taken out as it is saved, so that git sees only what was edited.
lab: $(STAMP) ## Open the notebooks in JupyterLab
	$(BIN)/jupyter lab $(AS_ROOT) --notebook-dir=. --ContentsManager.pre_save_hook=nbdev.clean.clean_jupyter nbs/index.ipynb

prepare: $(STAMP) ## Before a commit: clean the notebooks, export them, write the README
	$(BIN)/python .ci/house.py tidy
	$(BIN)/nbdev_clean
	$(BIN)/nbdev_export
	$(BIN)/python .ci/house.py readme

lock: $(STAMP) ## Write requirements.lock from what is installed in .venv
	$(BIN)/python .ci/house.py lock

clean: ## Remove what can be made again, but not .venv and not runs
	rm -rf _docs _proc api _symbols.json build dist .pytest_cache .hypothesis metaug.egg-info
	find . -path "./$(VENV)" -prune -o -type d \( -name __pycache__ -o -name .ipynb_checkpoints \) -print | xargs rm -rf
