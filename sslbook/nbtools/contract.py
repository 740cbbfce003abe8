"""The contract of a chapter: everything the book promises about a notebook that a machine can see.

A rule is a function that yields (cell index or None, what is wrong). It registers itself with
`@rule(...)` together with the forms it applies to; `sslbook.nbtools.rules` holds them by subject.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

from sslbook.book import toc
from sslbook.book.notebook import NotebookSource, read
from sslbook.book.toc import FORMS, Chapter
from sslbook.errors import UsageError

Finding = tuple[int | None, str]
Rule = Callable[[NotebookSource], Iterator[Finding]]
_RULES: dict[str, tuple[Rule, tuple[str, ...]]] = {}


@dataclass(frozen=True)
class Problem:
    """What a rule found. cell: the cell's index from 0, None for the notebook as a whole."""

    rule: str
    cell: int | None
    text: str

    def __str__(self) -> str:
        where = "notebook" if self.cell is None else f"cell {self.cell}"
        return f"{where}: {self.text} [{self.rule}]"


def rule(*forms: str) -> Callable[[Rule], Rule]:
    """Register a rule under its function's name, for the given forms (none: all forms)."""

    def register(function: Rule) -> Rule:
        _RULES[function.__name__] = (function, forms or FORMS)
        return function

    return register


def rules() -> dict[str, tuple[Rule, tuple[str, ...]]]:
    """Every rule by name, with the forms it applies to."""
    package = import_module("sslbook.nbtools.rules")
    for subject in iter_modules(package.__path__):
        import_module(f"{package.__name__}.{subject.name}")
    return dict(_RULES)


def problems(chapter: NotebookSource) -> list[Problem]:
    """All problems of a notebook, in the order of the rules."""
    found = []
    for name, (function, forms) in rules().items():
        if chapter.chapter.form in forms:
            found += [Problem(name, cell, text) for cell, text in function(chapter)]
    return found


def check(path: str | Path, form: str = "") -> list[Problem]:
    """All problems of the notebook at `path`.

    The chapter is looked up in the table of contents by the file's name; `form` replaces its form,
    and is needed for a notebook that is not listed. Raises UsageError for an unreadable notebook.
    """
    path = Path(path)
    chapter = toc.at(path)
    if form not in ("", *FORMS) or not (form or chapter):
        raise UsageError(
            f"{path.name} is not in the table of contents, or its form {form!r} is not known.",
            "It was not checked.",
            f"List it in notebooks/toc.yml, or name a form: {', '.join(FORMS)}.",
        )
    chapter = chapter or Chapter(path.stem, path.parent.name, form, twin=(path.stem,), takes=())
    return problems(read(path, replace(chapter, form=form or chapter.form)))
