"""Rules about exercises: solved in the source, with a blank from which editions are made."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from sslbook.book import syntax
from sslbook.book.notebook import BEGIN, BLANK, END, Cell, NotebookSource, blank
from sslbook.errors import UsageError
from sslbook.nbtools.contract import Finding, rule


def _exercises(chapter: NotebookSource) -> list[Cell]:
    return [cell for cell in chapter.code if cell.tagged("exercise:")]


@rule()
def solution_tagged(chapter: NotebookSource) -> Iterator[Finding]:
    """Solutions stand in cells tagged exercise:NAME, and such a cell has one."""
    for cell in chapter.cells:
        marked = any(mark in cell.source for mark in (BEGIN, END, BLANK))
        if marked and not (cell.kind == "code" and cell.tagged("exercise:")):
            yield cell.index, "a solution in a cell that is not a code cell tagged exercise:NAME"
        if cell.tagged("exercise:") and BEGIN not in cell.source:
            yield cell.index, f"the exercise has no {BEGIN}"


@rule()
def blank_runs(chapter: NotebookSource) -> Iterator[Finding]:
    """With the blank in place of the solution the cell compiles, and is not the solution."""
    for cell in _exercises(chapter):
        try:
            learner = ast.parse(blank(cell.source))
        except UsageError as error:
            yield cell.index, error.what
        except (SyntaxError, ValueError):
            yield cell.index, "with the blank in place of the solution the cell does not compile"
        else:
            if BEGIN in cell.source and ast.dump(learner) == ast.dump(cell.tree):
                yield cell.index, "the blank is the solution"


@rule()
def blank_is_value(chapter: NotebookSource) -> Iterator[Finding]:
    """A blank is a wrong value that runs: no `...`, `pass` or `raise`."""
    stub = re.compile(rf"{BLANK}\s*(.*= |return )?(\.\.\.|pass|None|raise\b.*|return)\s*$", re.M)
    for cell in _exercises(chapter):
        if match := stub.search(cell.source):
            yield cell.index, f"{match.group()!r} is no value that runs"


@rule()
def exercise_cells(chapter: NotebookSource) -> Iterator[Finding]:
    """Each exercise has its own name, one hint and one check by tag, the check after it."""
    kinds = ("exercise", "hint", "check")
    for name in {name for c in chapter.cells for kind in kinds for name in c.tagged(f"{kind}:")}:
        found = [[c for c in chapter.cells if f"{kind}:{name}" in c.tags] for kind in kinds]
        if [len(cells) for cells in found] != [1, 1, 1]:
            yield None, f"one cell each tagged exercise:, hint: and check:{name} is asked for"
        elif found[2][0].kind != "code" or found[2][0].index < found[0][0].index:
            yield found[2][0].index, f"check:{name} is not a code cell after its exercise"


def _named(call: ast.Call) -> object:
    """The literal that a call has as its first argument or as `name`, None where it has none."""
    return syntax.literal(call.args[0] if call.args else syntax.keyword(call, "name"))


@rule()
def exercise_names(chapter: NotebookSource) -> Iterator[Finding]:
    """`register`, `solve` and `hint` name an exercise of this notebook; what is solved is known."""
    known = {name for cell in chapter.cells for name in cell.tagged("exercise:")}
    registered = {_named(call) for _, call in chapter.calls("register")}
    for cell, call in chapter.calls("register", "solve", "hint"):
        name = _named(call)
        if name not in known:
            yield cell.index, f"{ast.unparse(call)[:40]} names no exercise of this notebook"
        elif name not in registered:
            yield cell.index, f'no call of register("{name}", reference, ...)'


@rule()
def check_checks(chapter: NotebookSource) -> Iterator[Finding]:
    """A check cell calls solve or check_same."""
    for cell in chapter.code:
        if cell.tagged("check:") and not syntax.calls(cell.tree, "solve", "check_same"):
            yield cell.index, "a check cell that calls neither solve nor check_same"
