"""Rules about a chapter's first screen: the formula at once, one collapsed block, soon to work."""

from __future__ import annotations

from collections.abc import Iterator

from sslbook.book.notebook import NotebookSource
from sslbook.nbtools.contract import Finding, rule

FIRST_SCREEN = 8  # by this cell the formula has stood there, and the reader works
WORK = ("predict", "toy", "equation", "derivation")


@rule("long", "short")
def first_screen(chapter: NotebookSource) -> Iterator[Finding]:
    """Within eight cells there is a formula set apart, and the reader predicts or derives."""
    if chapter.chapter.edition == 1:
        return
    first = chapter.cells[:FIRST_SCREEN]
    if not any("$$" in cell.source for cell in first if cell.kind == "markdown"):
        yield None, f"no formula between $$ within the first {FIRST_SCREEN} cells"
    if not any(cell.section in WORK for cell in first):
        asked = ", ".join(WORK)
        yield None, f"none of {asked} begins within the first {FIRST_SCREEN} cells"


@rule()
def one_block(chapter: NotebookSource) -> Iterator[Finding]:
    """From the install cell to the start of the run there are collapsed code cells alone."""
    if chapter.chapter.edition == 1:
        return
    install = [cell.index for cell in chapter.section("install")]
    start = [cell.index for cell, _ in chapter.calls("start")]
    for cell in chapter.cells[install[0] : start[0] + 1] if install and start else ():
        if not cell.collapsed:
            yield cell.index, "between install and start of the run, and no collapsed code cell"
