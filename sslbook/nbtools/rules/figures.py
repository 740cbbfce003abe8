"""Rules about stored figures: each has an alternative text and says how to read it."""

from __future__ import annotations

from collections.abc import Iterator

from sslbook.book.notebook import NotebookSource
from sslbook.nbtools.contract import Finding, rule

_SHORTEST = 20  # characters: the axes and the result do not fit into fewer
_CAPTION = "How to read it"


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
        if cell.pictures and not any(_CAPTION in text for text in cell.texts()):
            yield cell.index, f"a figure without {_CAPTION!r} below it: show it with viz.show"
