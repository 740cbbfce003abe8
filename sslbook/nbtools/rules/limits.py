"""Rules about size: cells, words, figures, the longest cell and paragraph, bytes: all maxima."""

from __future__ import annotations

from collections.abc import Iterator

from sslbook.book.notebook import NotebookSource, paragraphs, words
from sslbook.nbtools.contract import Finding, rule

# Per form: cells, words of prose, cells that show a PNG.
LIMITS = {
    "cells": {"long": 60, "short": 28, "study": 40},
    "words": {"long": 2800, "short": 1300},
    "cells with a figure": {"long": 12, "short": 6},
}
CELL_LINES, FILE_KB, PARAGRAPH = 35, 300, 400
LOG_LINES, LOG_COLUMNS = 16, 80  # 12 rows, their heading and up to three remarks


@rule()
def chapter_length(chapter: NotebookSource) -> Iterator[Finding]:
    """At most so many cells, words of prose and cells that show a figure."""
    counted = {
        "cells": len(chapter.cells),
        "words": sum(words(cell.source) for cell in chapter.markdown),
        "cells with a figure": sum(bool(cell.pictures) for cell in chapter.cells),
    }
    form = chapter.chapter.form
    for what, limits in LIMITS.items():
        if counted[what] > limits.get(form, counted[what]):
            yield None, f"{counted[what]} {what}; a {form} chapter has at most {limits[form]}"


@rule()
def cell_length(chapter: NotebookSource) -> Iterator[Finding]:
    """No code cell is longer than a screen."""
    for cell in chapter.code:
        if cell.lines > CELL_LINES:
            yield cell.index, f"{cell.lines} lines of code, at most {CELL_LINES} are allowed"


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
