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
    *("collapse", "learned", "figure", "measure", "verdict", "break", "limits", "paper", "turn2"),
    *("recap", "stamp"),
)
# Of edition 2: where they stand is the chapter's choice.
LOOSE = {"picture", "data", "claims", "figure"}
STUDY_ONLY = {"question", "derivation", "experiment", "limits"}
_METHOD = ("card", "install", "parameters", "setup", "equation", "train", "recap", "stamp")
_STUDY = {"equation": "derivation|equation", "train": "experiment|train"}
CORE = {
    "long": _METHOD,
    "short": _METHOD,
    "study": tuple(_STUDY.get(name, name) for name in _METHOD),
    "guide": ("card", "parameters", "recap", "stamp"),
}
FIRST_CORE = ("claims", "measure", "verdict", "paper")  # of a method or a study, in edition 1
_NEED_CODE = {"install", "parameters", "setup", "train", "experiment", "stamp"}
_FIRST_CODE = {
    *("picture", "predict", "claims", "data", "toy", "collapse", "learned", "measure", "verdict"),
    "break",
}
_NEED_TEXT = {"card", "paper", "recap"}
MOST_CLAIMS = 3
# What a section must hold: in which forms, found how, in words.
HOLDS = {
    "equation": (("long", "short"), BEGIN, "exercise: the function itself is a blank"),
    "paper": (("long", "short", "study"), r"(?m)^\|(?:[^|\n]+\|){3,}[ \t]*\n\|[ \t:|-]+\|",
              "table with the columns what, why and expected effect"),
    "recap": (("long", "short"), r"load_encoder\(", "lines that call sslbook.load_encoder"),
}


@rule()
def core_sections(chapter: NotebookSource) -> Iterator[Finding]:
    """Every core section of the form is there."""
    present, about = set(chapter.order), chapter.chapter
    more = FIRST_CORE if about.edition == 1 and about.form != "guide" else ()
    for name in (*CORE[about.form], *more):
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
    loose = LOOSE if chapter.chapter.edition > 1 else set()
    ranked = [name for name in order if name in (CORE["guide"] if free else ORDER)
              and name not in loose]
    for before, after in pairwise(ranked):
        if ORDER.index(before) > ORDER.index(after):
            yield None, f"section {after} belongs before {before}"


@rule()
def section_content(chapter: NotebookSource) -> Iterator[Finding]:
    """A section that runs something has a code cell, one that tells something has text."""
    code = _NEED_CODE | (_FIRST_CODE if chapter.chapter.edition == 1 else set())
    for name in dict.fromkeys(chapter.order):
        for kind, needed in (("code", code), ("markdown", _NEED_TEXT)):
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


@rule("long", "short", "study")
def claims(chapter: NotebookSource) -> Iterator[Finding]:
    """There is a claim, at most three; they are registered before training, and decided."""
    found = [cell.index for cell, _ in chapter.calls("claim")]
    if not found:
        yield None, "no call of run.claim"
    elif len(found) > MOST_CLAIMS and chapter.chapter.edition > 1:
        yield found[MOST_CLAIMS], f"{len(found)} claims; a chapter decides at most {MOST_CLAIMS}"
    trained = [cell.index for cell, _ in chapter.trainings]
    for index in found:
        if trained and index > trained[0]:
            yield index, "a claim that is registered after training"
    if found and not chapter.calls("show_verdicts"):
        yield None, "no call of run.show_verdicts"


@rule()
def stamp_finishes(chapter: NotebookSource) -> Iterator[Finding]:
    """The stamp writes the record, once, and nothing runs after it."""
    finishes = chapter.calls("finish")
    stamp = [cell.index for cell, _ in finishes if cell.section == "stamp"]
    if len(finishes) != 1 or not stamp:
        yield None, f"run.finish() is asked for once, in the stamp; found {len(finishes)}"
    elif stamp[0] != chapter.code[-1].index:
        yield chapter.code[-1].index, "code after run.finish()"
