# Each target is one Python command; without make, type the command itself.
PYTHON ?= python3

.PHONY: run test test-all lab site lint check-exemplar

# Pretrain, judge and explain Barlow Twins on the data that come with the book.
run:
	@$(PYTHON) tools/make.py run

# What CI runs; ARGUMENTS go to tools/checks.py.
test:
	@$(PYTHON) tools/make.py test $(ARGUMENTS)

# The same, and every chapter in preset smoke.
test-all:
	@$(PYTHON) tools/make.py test-all $(ARGUMENTS)

# Open the book in JupyterLab.
lab:
	@$(PYTHON) tools/make.py lab

# The web edition, below build/site/html (needs Node.js for the fonts of formulas).
site:
	@$(PYTHON) tools/make.py site

# Find mistakes in code and notebooks without running them.
lint:
	@$(PYTHON) tools/make.py lint

# The exemplar in preset check: the quickest proof that the book runs here.
check-exemplar:
	@$(PYTHON) tools/make.py check-exemplar
