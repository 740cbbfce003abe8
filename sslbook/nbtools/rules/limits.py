"""Rules about size: cells, code, words, figures, paragraphs, bytes. All limits are maxima.

Code is what the author wrote: the install cell, the same in every chapter, counts as empty.
"""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median

from sslbook.nbtools.contract import Finding, rule
from sslbook.nbtools.source import Cell, NotebookSource, paragraphs, words

# Per form: cells, code lines (not blank), words of prose, cells that show a PNG.
CELLS = {"long": 60, "short": 28, "study": 40}
CODE_LINES = {"long": 350}
WORDS = {"long": 2800, "short": 1300}
FIGURES = {"long": 12, "short": 6}
CELL_LINES, MEDIAN_LINES, FILE_KB, PARAGRAPH = 35, 8, 300, 400
LOG_LINES, LOG_COLUMNS = 16, 80  # 12 rows, their heading and up to three remarks


def _over(count: int, limits: dict[str, int], form: str, what: str) -> Iterator[Finding]:
    if count > limits[form]:
        yield None, f"{count} {what}; a {form} chapter has at most {limits[form]}"


def _written(cell: Cell) -> int:
    return 0 if cell.section == "install" else cell.lines


@rule("long", "short", "study")
def cell_count(chapter: NotebookSource) -> Iterator[Finding]:
    """At most so many cells."""
    yield from _over(len(chapter.cells), CELLS, chapter.chapter.form, "cells")


@rule("long")
def code_lines(chapter: NotebookSource) -> Iterator[Finding]:
    """At most so many lines of code in all."""
    total = sum(_written(cell) for cell in chapter.code)
    yield from _over(total, CODE_LINES, chapter.chapter.form, "lines of code")


@rule("long", "short")
def word_count(chapter: NotebookSource) -> Iterator[Finding]:
    """At most so many words of prose."""
    total = sum(words(cell.source) for cell in chapter.markdown)
    yield from _over(total, WORDS, chapter.chapter.form, "words")


@rule("long", "short")
def figure_count(chapter: NotebookSource) -> Iterator[Finding]:
    """At most so many cells that show a figure."""
    total = sum(bool(cell.pictures) for cell in chapter.cells)
    yield from _over(total, FIGURES, chapter.chapter.form, "cells with a figure")


@rule()
def cell_length(chapter: NotebookSource) -> Iterator[Finding]:
    """No code cell is longer than a screen."""
    for cell in chapter.code:
        if cell.lines > CELL_LINES:
            yield cell.index, f"{cell.lines} lines of code, at most {CELL_LINES} are allowed"


@rule()
def median_cell(chapter: NotebookSource) -> Iterator[Finding]:
    """Most code cells are short."""
    middle = median([_written(cell) for cell in chapter.code] or [0])
    if middle > MEDIAN_LINES:
        yield None, f"the median code cell has {middle:g} lines, at most {MEDIAN_LINES} are allowed"


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
