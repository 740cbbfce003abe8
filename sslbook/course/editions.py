"""Editions of a chapter: each a new notebook (or script) made from the one solved source.

student: running blanks, no outputs. instructor: the source with its outputs and the teacher's
notes. script: plain Python, solved. What the learner changes is found by the tag `exercise:NAME`.
"""

from __future__ import annotations

import copy
import json
import re
from dataclasses import replace
from typing import Any

from sslbook.book.collapse import opened
from sslbook.book.notebook import Cell, NotebookSource, blank, read
from sslbook.book.toc import Chapter
from sslbook.course import notes
from sslbook.errors import UsageError

EDITIONS = ("student", "instructor", "script")
SOLVED = "*Open in Colab* opens the *solved* chapter: solve this one first."
_REF = re.compile(r"[A-Za-z0-9][\w.-]*(?:/[\w.-]+)*")


def make(chapter: Chapter, edition: str, ref: str = "") -> str:
    """The text of a chapter's edition: notebook JSON, or Python for `script`.

    ref: the tag or commit that badges and install cells name ("": the book's own). The chapter's
    files are only read. Raises UsageError for an unknown edition, a ref that cannot be one, or a
    chapter that is not readable.
    """
    if edition not in EDITIONS:
        raise UsageError(f"There is no edition {edition!r}.", "Nothing was written.",
                         f"Choose from: {', '.join(EDITIONS)}.")
    source = pinned(read(chapter.path, chapter), ref)
    if edition == "script":
        return script(source)
    made = student(source) if edition == "student" else instructor(source)
    made["metadata"].setdefault("sslbook", {}).update(edition=edition, ref=source.chapter.ref)
    return json.dumps(made, indent=1, ensure_ascii=False) + "\n"


def pinned(source: NotebookSource, ref: str) -> NotebookSource:
    """The chapter with `ref` in place of the book's tag, wherever a cell names the repository."""
    chapter = source.chapter
    if not ref or ref == chapter.ref:
        return source
    if not _REF.fullmatch(ref) or ".." in ref:
        raise UsageError(f"{ref!r} is no tag, branch or commit.", "Nothing was written.",
                         "Give one as git shows it: --ref v1.0")
    named = re.compile(rf"({re.escape(chapter.repository)}(?:\.git)?(?:@|/blob/|/tree/|/raw/))"
                       rf"{re.escape(chapter.ref)}(?![\w.-])")
    made = copy.deepcopy(source.notebook)
    for cell in NotebookSource(made, chapter).cells:
        _set(cell, named.sub(rf"\g<1>{ref}", cell.source))
    if "ref" in (about := made["metadata"].get("sslbook", {})):
        about["ref"] = ref
    return NotebookSource(made, replace(chapter, ref=ref))


def student(source: NotebookSource) -> dict[str, Any]:
    """The learner's notebook: each solution gives way to its blank, no cell has run yet."""
    made = NotebookSource(copy.deepcopy(source.notebook), source.chapter)
    for cell in made.cells:
        if cell.tagged("exercise:"):  # collapsed in the source, here it is what there is to do
            _set(cell, blank(opened(cell.source)))
            for key in ("jupyter", "cellView"):
                cell.raw["metadata"].pop(key, None)
        if cell.kind == "code":
            cell.raw.update(outputs=[], execution_count=None)
    card = made.cells[0]
    _set(card, re.sub(r"^(\[!\[[^\n]*)$", rf"\1\n\n{SOLVED}", card.source, count=1, flags=re.M))
    return made.notebook


def instructor(source: NotebookSource) -> dict[str, Any]:
    """The solved, executed notebook with a note for the teacher at each section's beginning."""
    made = copy.deepcopy(source.notebook)
    told = {section: notes.text(note) for section, note in notes.of(source).items()}
    cells: list[dict[str, Any]] = []
    section = ""
    for cell, raw in zip(source.cells, made["cells"], strict=True):
        begins, section = cell.section != section, cell.section
        if not begins or not told.get(section):
            cells.append(raw)
            continue
        note = {"cell_type": "markdown", "id": f"teacher-{section}",
                "metadata": {"tags": ["teacher"]},
                "source": told[section].splitlines(keepends=True)}
        # After the section's heading, where it has one.
        cells += [raw, note] if cell.kind == "markdown" else [note, raw]
    made["cells"] = cells
    return made


def script(source: NotebookSource) -> str:
    """Plain Python: text as comments, cells apart by `# %%`, without the install cell.

    Solved, with the marks of blanks and solutions; figures print their alternative text.
    """
    parts = [f'"""{source.chapter.title}, as a script of the book (solved)."""']
    for cell in source.cells:
        if cell.kind == "markdown":
            text = "\n".join(f"# {line}".rstrip() for line in cell.source.splitlines())
            parts.append(f"# %% [markdown]\n{text}")
        elif cell.section != "install":
            parts.append(f"# %%\n{opened(cell.source)}")
    return "\n\n".join(parts) + "\n"


def _set(cell: Cell, text: str) -> None:
    """Give a cell another source, in the notebook that it belongs to."""
    cell.source, cell.raw["source"] = text, text.splitlines(keepends=True)
