"""Rules about what is trained: the notebook's own function, checked against its twin.

The trace follows names on the syntax tree: from the `loss=` of a call of `train` through
assignments, loops, lambdas, `partial`, factories and `solve(name, mine)` down to functions of this
notebook. The registered reference is not followed: it stands in only for a wrong answer, and the
solved notebook is run with fallbacks forbidden.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from sslbook.book import syntax
from sslbook.book.collapse import is_collapsed
from sslbook.book.notebook import Cell, NotebookSource
from sslbook.nbtools.contract import Finding, rule

SHARED = ("common",)  # modules of sslbook.methods that hold no chapter's idea
_PACKAGE = "sslbook.methods"


class Trace:
    """What the names of a notebook lead to."""

    def __init__(self, chapter: NotebookSource):
        trees = [cell.tree for cell in chapter.code]
        self.imported = syntax.aliases(*trees)
        self.made: dict[str, list[ast.AST]] = {}
        for node in (node for tree in trees for node in _statements(tree)):
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                self.made.setdefault(node.name, []).append(node)
            for target, value in _bindings(node):
                for part in ast.walk(target):
                    if isinstance(part, ast.Name):
                        self.made.setdefault(part.id, []).append(value)

    def methods(self, node: ast.AST, seen: set[str] | None = None) -> set[str]:
        """The modules of sslbook.methods that the code under `node` can reach."""
        seen = set() if seen is None else seen
        if module := _module(syntax.full_name(node, self.imported)):
            return {module}
        reached: set[str] = set()
        if isinstance(node, ast.Name) and node.id not in seen:
            seen.add(node.id)
            for made in self.made.get(node.id, ()):
                reached |= self.methods(made, seen)
        solved = isinstance(node, ast.Call) and syntax.last(node.func) == "solve"
        for child in [_mine(node)] if solved else ast.iter_child_nodes(node):
            reached |= self.methods(child, seen)
        return reached

    def is_own(self, node: ast.AST, seen: tuple[str, ...] = ()) -> bool:
        """True where the expression leads to functions or classes defined in this notebook."""
        if isinstance(node, (ast.Lambda, ast.FunctionDef, ast.ClassDef)):
            return True
        inner: list[ast.AST] = []
        if isinstance(node, ast.Name) and node.id not in seen:
            seen, inner = (*seen, node.id), self.made.get(node.id, [])
        elif isinstance(node, (ast.Dict, ast.List, ast.Tuple)):
            values = node.values if isinstance(node, ast.Dict) else node.elts
            inner = [value for value in values if not isinstance(value, ast.Constant)]
        elif isinstance(node, ast.IfExp):
            inner = [node.body, node.orelse]
        elif isinstance(node, ast.Call):
            inner = _called(node)
        return bool(inner) and all(self.is_own(value, seen) for value in inner)


def _statements(tree: ast.AST) -> Iterator[ast.AST]:
    """Statements outside of functions and classes, also those inside loops and branches."""
    for node in ast.iter_child_nodes(tree):
        yield node
        if not isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.expr)):
            yield from _statements(node)


def _bindings(node: ast.AST) -> Iterator[tuple[ast.AST, ast.AST]]:
    """(target, value) of an assignment or a loop."""
    if isinstance(node, ast.Assign):
        yield from ((target, node.value) for target in node.targets)
    elif isinstance(node, ast.AnnAssign) and node.value is not None:
        yield node.target, node.value
    elif isinstance(node, ast.For):
        yield node.target, node.iter


def _called(call: ast.Call) -> list[ast.AST]:
    """What a call's result is made of: of `mine` for solve, else of the function called."""
    last = syntax.last(call.func)
    if last == "solve":
        return [_mine(call)]
    if last in ("partial", "enumerate", "zip"):
        return list(call.args[:1] if last == "partial" else call.args)
    if last in ("items", "values") and isinstance(call.func, ast.Attribute):
        return [call.func.value]
    return [call.func]


def _mine(call: ast.Call) -> ast.AST:
    """The learner's function among the arguments of `solve(name, mine)`."""
    given = syntax.keyword(call, "mine")
    return given or (call.args[1] if len(call.args) > 1 else ast.Constant(None))


def _module(full: str) -> str:
    """`x` of sslbook.methods.x..., "methods" of the package itself, "" of anything else."""
    if full == _PACKAGE:
        return "methods"
    return full.split(".")[2] if full.startswith(f"{_PACKAGE}.") else ""


@rule("long", "short")
def pretrain_call(chapter: NotebookSource) -> Iterator[Finding]:
    """Section train has the one call train(..., name="pretrain", loss=...)."""
    found = [cell.section for cell, call in chapter.trainings
             if syntax.literal(syntax.keyword(call, "name")) == "pretrain"]
    if found != ["train"]:
        yield None, f'one call train(..., name="pretrain") in section train is asked for: {found}'


@rule("long", "short", "study")
def trains_own_code(chapter: NotebookSource) -> Iterator[Finding]:
    """What is trained is defined in this notebook and calls nothing of sslbook.methods.

    A short chapter or a study may train an earlier chapter's twin beside it.
    """
    trace = Trace(chapter)
    for cell, loss, beside in _losses(chapter):
        if loss is None:
            yield cell.index, "train is called without loss="
            continue
        reached = trace.methods(loss)
        if reached and beside and reached <= _allowed(chapter, reached):
            continue
        if reached:
            yield cell.index, f"what is trained uses sslbook.methods.{', '.join(sorted(reached))}"
        elif not trace.is_own(loss):
            yield cell.index, f"{ast.unparse(loss)} does not lead to a function of this notebook"


def _losses(chapter: NotebookSource) -> Iterator[tuple[Cell, ast.expr | None, bool]]:
    """(cell, loss, whether beside the chapter's own) of every training and arm of a comparison."""
    for cell, call in chapter.trainings:
        name = syntax.literal(syntax.keyword(call, "name"))
        yield cell, syntax.keyword(call, "loss"), name != "pretrain"
    for cell, call in chapter.calls("compare"):
        for arm in syntax.calls(call, "dict"):
            if loss := syntax.keyword(arm, "loss"):
                yield cell, loss, True


def _allowed(chapter: NotebookSource, modules: set[str]) -> set[str]:
    """Of these modules of sslbook.methods, those of earlier chapters that this one builds on."""
    if chapter.chapter.form == "long":
        return set()
    return modules - {*chapter.chapter.twin, "methods"}


@rule("long", "short")
def twin_checked(chapter: NotebookSource) -> Iterator[Finding]:
    """A visible cell compares with the twin by check_same, and its output is checked."""
    trace = Trace(chapter)
    found = chapter.calls("check_same")
    if not any(trace.methods(call) & {*chapter.chapter.twin, "methods"} for _, call in found):
        yield None, "no call of check_same compares with the chapter's twin"
    for cell, _ in found:
        if "nbval-check-output" not in cell.tags:
            yield cell.index, "a cell with check_same is not tagged nbval-check-output"
        if is_collapsed(cell.raw.get("metadata", {})):
            yield cell.index, "the comparison with the twin is hidden from the reader"


@rule("long", "short", "study")
def twin_only_checks(chapter: NotebookSource) -> Iterator[Finding]:
    """The twin, and anything of sslbook.methods but shared modules, serves comparison only.

    It is imported and used in cells that call check_same, solve or register; a short chapter or a
    study may also use an earlier chapter's.
    """
    trace = Trace(chapter)
    for cell in chapter.code:
        if syntax.calls(cell.tree, "check_same", "solve", "register"):
            continue
        used = {_module(full) for _, full, _ in syntax.imports(cell.tree)} - {"methods"}
        used |= {_module(syntax.full_name(node, trace.imported)) for node in _chains(cell.tree)}
        used -= {"", *SHARED}
        for name in sorted(used - _allowed(chapter, used)):
            yield cell.index, f"sslbook.methods.{name} is used outside the comparison with the twin"


def _chains(node: ast.AST) -> Iterator[ast.AST]:
    """The names and whole dotted chains of a tree."""
    for child in ast.iter_child_nodes(node):
        if syntax.dotted(child):
            yield child
        else:
            yield from _chains(child)
