"""Rules about the notebook as a file: a valid one, in the form that the normaliser gives it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import zip_longest
from typing import Any

from sslbook.book.notebook import NotebookSource
from sslbook.errors import UsageError
from sslbook.nbtools.contract import Finding, rule
from sslbook.nbtools.normalise import normalised


@rule()
def notebook_format(chapter: NotebookSource) -> Iterator[Finding]:
    """Valid against nbformat's schema of format 4.5."""
    from nbformat.validator import iter_validate

    for error in iter_validate(chapter.notebook, version=4, version_minor=5):
        yield None, f"not a valid notebook: {str(error).splitlines()[0][:100]}"


@rule()
def normal_form(chapter: NotebookSource) -> Iterator[Finding]:
    """The file is as `sslbook nb normalise` writes it, execution counts apart.

    So ids, kernel, metadata, badge, install cell, symbol tables and collapsed cells are the book's,
    and no output holds a widget, a progress bar, a warning or a home folder.
    """
    from nbformat.reader import reads

    text = json.dumps(chapter.notebook)
    try:
        before, after = reads(text), reads(normalised(text, chapter.chapter.part, chapter.chapter))
    except (ValueError, UsageError) as error:
        yield None, f"it cannot be normalised: {error}"
        return
    if {**before, "cells": []} != {**after, "cells": []}:
        yield None, "its metadata differ: run sslbook nb normalise"
    cells = (map(_uncounted, document.cells) for document in (before, after))
    for index, (one, other) in enumerate(zip_longest(*cells)):
        if one != other:
            yield index, "the cell differs: run sslbook nb normalise"


def _uncounted(cell: dict[str, Any]) -> dict[str, Any]:
    """A cell without its execution counts, which have a rule of their own."""
    outputs = [{**out, "execution_count": None} for out in cell.get("outputs", [])]
    return {**cell, "outputs": outputs, "execution_count": None}
