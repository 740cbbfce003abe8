"""Rules about figures: each has an alternative text, and a sentence that says what we see."""

from __future__ import annotations

from collections.abc import Iterator

from sslbook.book import syntax
from sslbook.book.notebook import NotebookSource
from sslbook.nbtools.contract import Finding, rule

_SHORTEST = 20  # characters: the axes and the result do not fit into fewer
_CAPTIONS = ("What we see", "How to read it")
# A diagram, or a row of data, has no result yet: how to read it is enough.
BEFORE_RESULTS = ("card", "picture", "data", "toy")


@rule()
def pictures(chapter: NotebookSource) -> Iterator[Finding]:
    """Every picture is a PNG with an alternative text and a caption, as viz.show stores it."""
    for cell in chapter.code:
        for out in cell.outputs:
            kinds = [mime for mime in out.get("data", {}) if mime.startswith("image/")]
            alt = out.get("metadata", {}).get("image/png", {}).get("alt", "")
            if kinds and kinds != ["image/png"]:
                yield cell.index, f"a picture as {', '.join(kinds)}: show figures with viz.show"
            elif kinds and not (isinstance(alt, str) and len(alt.strip()) >= _SHORTEST):
                yield cell.index, "a picture without alternative text: show it with viz.show"
        said = "\n".join(cell.texts())
        if cell.pictures and not any(caption in said for caption in _CAPTIONS):
            yield cell.index, "a figure without a sentence below it: show it with viz.show"


@rule()
def what_we_see(chapter: NotebookSource) -> Iterator[Finding]:
    """Every figure says what we see: viz.show has see=, but for diagrams and data."""
    for cell, call in chapter.calls("show"):
        early = chapter.chapter.edition == 1 or cell.section in BEFORE_RESULTS
        shows = syntax.dotted(call.func) == "viz.show" and not syntax.keyword(call, "see")
        if shows and not early:
            yield cell.index, "viz.show without see=: a sentence computed from what is drawn"
