"""Rules about a chapter's sections: which there are, their order, and what they must hold."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

from sslbook.book.notebook import BEGIN, NotebookSource
from sslbook.nbtools.contract import Finding, rule

ORDER = (
    *("card", "install", "picture", "parameters", "setup", "question", "predict", "claims"),
    *("data", "toy", "equation", "derivation", "turn1", "model", "train", "experiment"),
    *("collapse", "learned", "measure", "verdict", "break", "limits", "paper", "turn2"),
    *("recap", "stamp"),
)
STUDY_ONLY = {"question", "derivation", "experiment", "limits"}
_METHOD = (
    *("card", "install", "parameters", "setup", "claims", "equation", "train"),
    *("measure", "verdict", "paper", "recap", "stamp"),
)
_STUDY = {"equation": "derivation|equation", "train": "experiment|train"}
CORE = {
    "long": _METHOD,
    "short": _METHOD,
    "study": tuple(_STUDY.get(name, name) for name in _METHOD),
    "guide": ("card", "parameters", "recap", "stamp"),
}
_NEED_CODE = {
    *("picture", "install", "parameters", "setup", "predict", "claims", "data", "toy", "train"),
    *("experiment", "collapse", "learned", "measure", "verdict", "break", "stamp"),
}
_NEED_TEXT = {"card", "paper", "recap"}
# What a section must hold: in which forms, found how, in words.
HOLDS = {
    "claims": (("long", "short", "study"), r"\brun\.claim\(", "call of run.claim"),
    "equation": (("long", "short"), BEGIN, "exercise: the function itself is a blank"),
    "paper": (("long", "short", "study"), r"(?m)^\|(?:[^|\n]+\|){3,}[ \t]*\n\|[ \t:|-]+\|",
              "table with the columns what, why and expected effect"),
    "recap": (("long", "short"), r"load_encoder\(", "lines that call sslbook.load_encoder"),
}


@rule()
def core_sections(chapter: NotebookSource) -> Iterator[Finding]:
    """Every core section of the form is there."""
    present = set(chapter.order)
    for name in CORE[chapter.chapter.form]:
        if not present & set(name.split("|")):
            yield None, f"no cell is tagged sec:{name}"


@rule("long", "short", "study")
def known_sections(chapter: NotebookSource) -> Iterator[Finding]:
    """Only the book's section names (a guide may have its own)."""
    allowed = set(ORDER) - (set() if chapter.chapter.form == "study" else STUDY_ONLY)
    for cell in chapter.cells:
        for name in cell.tagged("sec:"):
            if name not in allowed:
                yield cell.index, f"sec:{name} is no section of a {chapter.chapter.form} chapter"


@rule()
def section_order(chapter: NotebookSource) -> Iterator[Finding]:
    """The card opens the notebook, the stamp ends it, nothing is split or out of order."""
    order = chapter.order
    if not chapter.cells or chapter.cells[0].section != "card":
        yield 0, "the first cell is not tagged sec:card"
    if order and order[-1] != "stamp":
        yield None, f"the last section is {order[-1]}, not stamp"
    for name in sorted({name for name in order if order.count(name) > 1}):
        yield None, f"section {name} is interrupted by another one"
    free = chapter.chapter.form == "guide"
    ranked = [name for name in order if name in (CORE["guide"] if free else ORDER)]
    for before, after in pairwise(ranked):
        if ORDER.index(before) > ORDER.index(after):
            yield None, f"section {after} belongs before {before}"


@rule()
def section_content(chapter: NotebookSource) -> Iterator[Finding]:
    """A section that runs something has a code cell, one that tells something has text."""
    for name in dict.fromkeys(chapter.order):
        for kind, needed in (("code", _NEED_CODE), ("markdown", _NEED_TEXT)):
            if name in needed and not chapter.section(name, kind=kind):
                first = chapter.section(name)[0].index
                yield first, f"section {name} has no {kind} cell"


@rule()
def section_holds(chapter: NotebookSource) -> Iterator[Finding]:
    """A section has what it is there for: see HOLDS."""
    for name, (forms, asked, what) in HOLDS.items():
        cells = chapter.section(name)
        if cells and chapter.chapter.form in forms and not re.search(asked, chapter.text(name)):
            yield cells[0].index, f"section {name} has no {what}"


@rule()
def stamp_finishes(chapter: NotebookSource) -> Iterator[Finding]:
    """The stamp writes the record, once, and nothing runs after it."""
    finishes = chapter.calls("finish")
    stamp = [cell.index for cell, _ in finishes if cell.section == "stamp"]
    if len(finishes) != 1 or not stamp:
        yield None, f"run.finish() is asked for once, in the stamp; found {len(finishes)}"
    elif stamp[0] != chapter.code[-1].index:
        yield chapter.code[-1].index, "code after run.finish()"
