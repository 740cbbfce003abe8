"""Rules about the notebook as a file: format, ids, kernel, metadata, editor's leftovers."""

from __future__ import annotations

import re
from collections.abc import Iterator

from sslbook.nbtools.collapse import collapse
from sslbook.nbtools.contract import Finding, rule
from sslbook.nbtools.normalise import KEEP, KEEP_IN_CELL
from sslbook.nbtools.source import NotebookSource

_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_KEYS = KEEP | {"kernelspec", "language_info"}


@rule()
def notebook_format(chapter: NotebookSource) -> Iterator[Finding]:
    """Format 4.5, valid against nbformat's schema, for a kernel that is python3 everywhere."""
    from nbformat.validator import iter_validate

    if chapter.notebook.get("nbformat_minor") != 5:
        yield None, "format 4.5 is asked for: run sslbook nb normalise"
    for error in iter_validate(chapter.notebook, version=4, version_minor=5):
        yield None, f"not a valid notebook: {str(error).splitlines()[0][:100]}"
    for key, name in (("kernelspec", "python3"), ("language_info", "python")):
        if chapter.metadata.get(key, {}).get("name") != name:
            yield None, f"{key} does not name {name}"


@rule()
def cell_ids(chapter: NotebookSource) -> Iterator[Finding]:
    """Every cell has an id of its own, so that links and comments stay with it."""
    seen: set[str] = set()
    for cell in chapter.cells:
        name = str(cell.raw.get("id", ""))
        if not _ID.fullmatch(name):
            yield cell.index, f"the cell's id {name!r} is missing or malformed"
        elif name in seen:
            yield cell.index, f"the id {name!r} is used twice"
        seen.add(name)


@rule()
def listed_metadata(chapter: NotebookSource) -> Iterator[Finding]:
    """`metadata.sslbook` agrees with the table of contents."""
    stored, listed = chapter.metadata.get("sslbook", {}), chapter.chapter
    wanted = {"chapter": listed.name, "form": listed.form, "ref": listed.ref}
    if stored != wanted:
        yield None, f"metadata.sslbook is {stored}, toc.yml says {wanted}: sslbook nb normalise"


@rule()
def leftover_metadata(chapter: NotebookSource) -> Iterator[Finding]:
    """No widget state, papermill or editor metadata: GitHub refuses some of it."""
    for key in sorted(set(chapter.metadata) - _KEYS):
        yield None, f"metadata.{key} does not belong into git: run sslbook nb normalise"
    for cell in chapter.cells:
        for key in sorted(set(cell.raw.get("metadata", {})) - KEEP_IN_CELL):
            yield cell.index, f"metadata.{key} does not belong into git: run sslbook nb normalise"
        if "injected-parameters" in cell.tags:
            yield cell.index, "a cell of parameters injected by papermill"


@rule()
def collapsed_cells(chapter: NotebookSource) -> Iterator[Finding]:
    """Plumbing, parameters, drawing and solutions are collapsed as their tags say, nothing else."""
    for cell in chapter.code:
        metadata = dict(cell.raw.get("metadata", {}))
        made = {"source": cell.source, "metadata": dict(metadata)}
        collapse(made)
        if (made["source"], made["metadata"]) != (cell.source, metadata):
            yield cell.index, "not collapsed as its tags say: run sslbook nb normalise"
