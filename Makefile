# Each target is one Python command; without make, type the command itself.
PYTHON ?= python3

.PHONY: run test test-all lab site lint check-exemplar

# Pretrain, judge and explain Barlow Twins on the data that come with the book.
run:
	@$(PYTHON) scripts/make.py run

# What CI runs; ARGUMENTS go to tools/checks.py.
test:
	@$(PYTHON) scripts/make.py test $(ARGUMENTS)

# The same, and every chapter in preset smoke.
test-all:
	@$(PYTHON) scripts/make.py test-all $(ARGUMENTS)

# Open the book in JupyterLab.
lab:
	@$(PYTHON) scripts/make.py lab

# The web edition, below build/site/html (needs Node.js for the fonts of formulas).
site:
	@$(PYTHON) scripts/make.py site

# Find mistakes in code and notebooks without running them.
lint:
	@$(PYTHON) scripts/make.py lint

# The exemplar in preset check: the quickest proof that the book runs here.
check-exemplar:
	@$(PYTHON) scripts/make.py check-exemplar
