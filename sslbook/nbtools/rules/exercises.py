"""Rules about exercises: solved in the source, with a blank from which editions are made."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from sslbook.book import syntax
from sslbook.book.notebook import BEGIN, BLANK, END, Cell, NotebookSource, blank
from sslbook.errors import UsageError
from sslbook.nbtools.contract import Finding, rule

_NAME = re.compile(r"[a-z][a-z0-9_]*")


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
    seen: dict[str, dict[str, list[Cell]]] = {}
    for cell in chapter.cells:
        for kind in ("exercise", "hint", "check"):
            for name in cell.tagged(f"{kind}:"):
                seen.setdefault(name, {}).setdefault(kind, []).append(cell)
                if not _NAME.fullmatch(name):
                    yield cell.index, f"{kind}:{name} is not a plain name"
    for name, kinds in seen.items():
        first = next(iter(kinds.values()))[0].index
        for kind in ("exercise", "hint", "check"):
            if len(kinds.get(kind, [])) != 1:
                yield first, f"one cell tagged {kind}:{name} is asked for"
        if {"exercise", "check"} <= set(kinds):
            check = kinds["check"][0]
            if check.kind != "code" or check.index < kinds["exercise"][0].index:
                yield check.index, f"check:{name} is not a code cell after its exercise"


@rule("long", "short")
def equation_is_exercise(chapter: NotebookSource) -> Iterator[Finding]:
    """In the learner's edition the equation-to-code function is itself a blank."""
    cells = chapter.section("equation")
    if cells and not any(cell.tagged("exercise:") for cell in cells):
        yield cells[0].index, "no cell of section equation is tagged exercise:NAME"


def _named(call: ast.Call) -> object:
    """The literal that a call has as its first argument or as `name`, None where it has none."""
    first = call.args[0] if call.args else syntax.keyword(call, "name")
    return first.value if isinstance(first, ast.Constant) else None


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
