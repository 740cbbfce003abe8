"""Rules about size: cells, code, words, figures, the longest cell and paragraph, bytes: maxima."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from sslbook.book.notebook import Cell, NotebookSource, paragraphs, words
from sslbook.nbtools.contract import Finding, rule

# Per edition and form: cells, lines of code in cells that are not collapsed, words of prose, cells
# that show a PNG.
LIMITS = {
    1: {
        "cells": {"long": 60, "short": 28, "study": 40},
        "words": {"long": 2800, "short": 1300},
        "cells with a figure": {"long": 12, "short": 6},
    },
    2: {
        "cells": {"long": 40, "short": 22, "study": 32, "guide": 32},
        "lines of code that a reader sees": {"long": 200, "short": 100, "study": 160, "guide": 160},
        "words": {"long": 2000, "short": 900, "study": 1600, "guide": 1400},
        "cells with a figure": {"long": 9, "short": 5, "study": 7, "guide": 7},
    },
}
CELL_LINES = {1: 35, 2: 30}
FILE_KB, PARAGRAPH = 300, 400
DRAWING_SHARE, DRAWING_LINES = 1 / 3, 6
LOG_LINES, LOG_COLUMNS = 16, 80  # 12 rows, their heading and up to three remarks


@rule()
def chapter_length(chapter: NotebookSource) -> Iterator[Finding]:
    """At most so many cells, lines of code, words of prose and cells that show a figure."""
    seen = [cell for cell in chapter.code if not cell.collapsed]
    counted = {
        "cells": len(chapter.cells),
        "lines of code that a reader sees": sum(cell.lines for cell in seen),
        "words": sum(words(cell.source) for cell in chapter.markdown),
        "cells with a figure": sum(bool(cell.pictures) for cell in chapter.cells),
    }
    form = chapter.chapter.form
    for what, limits in LIMITS[chapter.chapter.edition].items():
        if counted[what] > limits.get(form, counted[what]):
            yield None, f"{counted[what]} {what}; a {form} chapter has at most {limits[form]}"


@rule()
def cell_length(chapter: NotebookSource) -> Iterator[Finding]:
    """No code cell is longer than a screen."""
    most = CELL_LINES[chapter.chapter.edition]
    for cell in chapter.code:
        if cell.lines > most:
            yield cell.index, f"{cell.lines} lines of code, at most {most} are allowed"


@rule()
def drawing(chapter: NotebookSource) -> Iterator[Finding]:
    """Code that only draws is collapsed, but for a few lines, and at most a third of all code."""
    if chapter.chapter.edition == 1:
        return
    for cell in chapter.code:
        if not cell.collapsed and cell.lines > DRAWING_LINES and _draws(cell):
            yield cell.index, f"{cell.lines} lines that draw, and no tag drawing to collapse them"
    drawn = sum(cell.lines for cell in chapter.code if "drawing" in cell.tags)
    if drawn > DRAWING_SHARE * sum(cell.lines for cell in chapter.code):
        yield None, f"{drawn} lines in cells tagged drawing: more than a third of all code"


def _draws(cell: Cell) -> bool:
    """True where most lines of a cell are statements that name `viz`."""
    drawn = [node for node in cell.tree.body
             if any(isinstance(part, ast.Name) and part.id == "viz" for part in ast.walk(node))]
    lines = sum((node.end_lineno or 0) - node.lineno + 1 for node in drawn)
    return lines > cell.lines / 2


@rule()
def file_size(chapter: NotebookSource) -> Iterator[Finding]:
    """The file stays small enough for git and for GitHub's viewer."""
    if chapter.size > FILE_KB * 1000:
        yield None, f"the file has {chapter.size / 1000:.0f} kB, at most {FILE_KB} are allowed"


@rule()
def paragraph_length(chapter: NotebookSource) -> Iterator[Finding]:
    """A paragraph, or an item of a list, has at most four lines of 100 characters."""
    for cell in chapter.markdown:
        for block in paragraphs(cell.source):
            if len(block) > PARAGRAPH:
                yield cell.index, f"a paragraph of {len(block)} characters: {block[:40]}..."


@rule("long", "short", "study")
def log_rows(chapter: NotebookSource) -> Iterator[Finding]:
    """A training cell prints at most 12 log rows of 80 columns."""
    for cell, _ in chapter.trainings:
        lines = [line for line in cell.printed.splitlines() if line.strip()]
        if len(lines) > LOG_LINES:
            yield cell.index, f"training prints {len(lines)} lines, at most {LOG_LINES} are allowed"
        if wide := [line for line in lines if len(line) > LOG_COLUMNS]:
            yield cell.index, f"a log row of {len(wide[0])} columns, at most {LOG_COLUMNS}"
