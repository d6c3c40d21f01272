# make demo: everything from nothing to a probability and a report.   make test: the tests.
# Both build .venv on first use; PYTHON chooses the interpreter (3.11 to 3.13).
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
RADIOMICS := $(VENV)/.radiomics
TESTED := HabitatPNI/Testing/tests
JOBS ?= 2
# Where torch comes from; on Linux PyPI's is a CUDA build of several GB, and a CPU build is enough:
# make TORCH_INDEX=https://download.pytorch.org/whl/cpu demo
TORCH_INDEX ?=
PHANTOM_PATIENTS := 173 digital phantom patients of a 3 T centre, no real patient; cohort seed 1

.PHONY: demo install test test-slow lint bench bench-texture model study panel screenshots clean

demo: $(READY)
	$(BIN)/habitatpni demo -o out/demo

install: $(READY)

# torch comes first, so that no other package decides which build of it is taken, and without what it needs: that comes with the
# other packages from pip's own index, for TORCH_INDEX may not hold the versions of constraints.txt.
$(READY): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(0 if (3, 11) <= sys.version_info < (3, 14) else "HabitatPNI needs Python 3.11 to 3.13: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade-strategy only-if-needed --no-deps -c constraints.txt $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) torch
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[headless,test,panel]'
	touch $(READY)

# The truth of the texture tests; without a C compiler they are skipped.
$(RADIOMICS): $(READY)
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[radiomics]' && touch $@ || echo 'pyradiomics could not be compiled: tests against it are skipped'

test: $(READY) $(RADIOMICS) lint
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder -m 'not slow'

test-slow: $(READY) $(RADIOMICS)
	$(BIN)/python -m pytest -m slow

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(READY)
	$(BIN)/python benchmarks/whole_case.py
	$(BIN)/python benchmarks/deep_features.py
	$(BIN)/python benchmarks/habitats.py
	$(BIN)/python benchmarks/panel_worker.py
	$(BIN)/python benchmarks/statistics.py
	$(BIN)/python benchmarks/selection.py
	$(BIN)/python benchmarks/extraction.py
	$(BIN)/python benchmarks/registration.py --phantom 20 --prostatex 12

# Voxel-wise texture against pyradiomics, whose compilation needs a compiler; against flash-radiomics too where FLASH names a Python
# interpreter that has it: make FLASH=/path/to/python bench-texture. Some 8 minutes on two idle cores; draws the picture of the docs anew.
FLASH ?=
bench-texture: $(READY) $(RADIOMICS)
	$(BIN)/python benchmarks/texture.py --repeats 1 --plot docs/texture.png $(if $(FLASH),--flash $(FLASH))
	$(BIN)/python benchmarks/texture_habitats.py

# The module's panel in a window on a desktop without 3D Slicer, and the README's pictures of it.
panel: $(READY)
	cd HabitatPNI/Testing && $(abspath $(BIN))/python -m host

screenshots: $(READY)
	cd HabitatPNI/Testing && $(abspath $(BIN))/python -m host.screenshots $(CURDIR)/docs/screenshots

# The shipped models, made anew: the phantom cohort takes about half an hour on two cores.
model: $(READY)
	$(BIN)/python -m HabitatPNILib.clinical_model models/pca-pni-clinical
	$(BIN)/habitatpni phantom --seed 1 --jobs $(JOBS) -o out/phantom
	$(BIN)/habitatpni extract out/phantom/cohort.csv --weights seeded:101 --jobs $(JOBS) -o out/phantom-features
	$(BIN)/habitatpni train out/phantom/cohort.csv --features out/phantom-features --name pca-pni-phantom \
	  --title 'Perineural invasion of prostate cancer, combined model, trained on digital phantoms' \
	  --patients '$(PHANTOM_PATIENTS)' -o models/pca-pni-phantom

# A whole study of 397 phantoms with every check; hours on two cores, and it goes on where it was stopped.
study: $(READY)
	$(BIN)/habitatpni study --phantom --jobs $(JOBS) -o out/study

clean:
	rm -rf $(VENV) out build dist *.egg-info HabitatPNI/*.egg-info
