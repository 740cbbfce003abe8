"""Rules about the parameters cell, the presets and the call that starts the run."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from sslbook import datasets
from sslbook.book import parameters, syntax
from sslbook.book.notebook import Cell, NotebookSource
from sslbook.nbtools.contract import Finding, rule
from sslbook.run.presets import PRESETS, STANDARD

KNOBS = {"long": (2, 5), "short": (2, 5), "study": (2, 5), "guide": (0, 5)}


def _cell(chapter: NotebookSource) -> Cell | None:
    return next((cell for cell in chapter.code if "parameters" in cell.tags), None)


def names(chapter: NotebookSource) -> list[str]:
    """The names that the parameters cell declares."""
    cell = _cell(chapter)
    return [node.target.id for node in _declared(cell)] if cell else []


def _declared(cell: Cell) -> list[ast.AnnAssign]:
    nodes = (node for node in cell.tree.body if isinstance(node, ast.AnnAssign))
    return [node for node in nodes if isinstance(node.target, ast.Name)]


def _value(node: ast.AnnAssign) -> object:
    """The literal's value, None where the value is no literal of a plain type."""
    try:
        value = ast.literal_eval(node.value) if node.value else None
    except ValueError:
        return None
    return value if isinstance(value, (bool, int, float, str)) else None


@rule()
def parameters_cell(chapter: NotebookSource) -> Iterator[Finding]:
    """One code cell has the tag parameters; before it runs nothing but install and pictures."""
    tagged = [cell for cell in chapter.cells if "parameters" in cell.tags]
    if len(tagged) != 1 or tagged[0].kind != "code":
        yield None, f"one code cell tagged parameters is asked for; found {len(tagged)}"
        return
    cell = tagged[0]
    before = [other.section for other in chapter.code if other.index <= cell.index]
    if [name for name in before if name != "picture"] != ["install", "parameters"]:
        yield cell.index, "code before the parameters, other than install cell and pictures"
    if before[0] != "install":
        yield 0, "code before the install cell finds no book in Colab"


@rule()
def parameters_plain(chapter: NotebookSource) -> Iterator[Finding]:
    """Nothing but typed literals with a comment each: that is what papermill can inspect."""
    cell = _cell(chapter)
    for node in cell.tree.body if cell else []:
        line = cell.source.splitlines()[node.end_lineno - 1]
        if not (isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)):
            yield cell.index, f"not of the form NAME: type = value  # help: {line.strip()[:60]}"
            continue
        name, kind, value = node.target.id, syntax.dotted(node.annotation), _value(node)
        if kind not in ("int", "float", "str", "bool") or type(value).__name__ != kind:
            yield cell.index, f"{name} is not a literal of its type (int, float, str or bool)"
        if not name.isupper():
            yield cell.index, f"{name} is not in capitals"
        comment = line.encode()[node.end_col_offset :].decode().strip()
        if not (comment.startswith("#") and len(comment) > 5):
            yield cell.index, f"{name} has no comment that says what it is"


@rule()
def parameters_standard(chapter: NotebookSource) -> Iterator[Finding]:
    """The seven standard parameters come first, with the book's types and defaults."""
    cell = _cell(chapter)
    declared = _declared(cell) if cell else []
    found = [(n.target.id, (syntax.dotted(n.annotation), _value(n))) for n in declared]
    wanted = [(name, (type(value).__name__, value)) for name, value in STANDARD.items()]
    if cell and found[: len(wanted)] != wanted:
        asked = "; ".join(f"{name}: {kind} = {value!r}" for name, (kind, value) in wanted)
        yield cell.index, f"the first parameters are to be {asked}"
    first = cell.source.splitlines()[0] if cell and cell.source else ""
    if cell and not all(word in first.partition("#")[2] for word in (*PRESETS, "auto")):
        yield cell.index, "the first line is PRESET; its comment names all presets and auto"


@rule()
def parameters_knobs(chapter: NotebookSource) -> Iterator[Finding]:
    """After the standard ones come the method's own knobs, a handful."""
    low, high = KNOBS[chapter.chapter.form]
    count = len([name for name in names(chapter) if name not in STANDARD])
    if _cell(chapter) and not low <= count <= high:
        yield _cell(chapter).index, f"{count} knobs of the method, {low} to {high} are asked for"


@rule()
def presets(chapter: NotebookSource) -> Iterator[Finding]:
    """A cell has `PRESETS = {...}`, a literal with all four presets as dicts."""
    found = parameters.presets(cell.tree for cell in chapter.code)
    if set(found) != set(PRESETS) or not all(isinstance(one, dict) for one in found.values()):
        yield None, f"no cell has PRESETS = {{...}}, a literal of dicts for {', '.join(PRESETS)}"


@rule()
def data_kinds(chapter: NotebookSource) -> Iterator[Finding]:
    """Its file says which kinds of data it takes; the presets' data sets are of these."""
    takes = chapter.chapter.takes
    if takes is None:
        yield None, "its file does not say which kinds of data it takes, such as takes: [image]"
    presets = parameters.presets(cell.tree for cell in chapter.code).values()
    for name in {one.get("dataset") for one in presets if isinstance(one, dict)} - {None, ""}:
        if takes and datasets.kind(name) not in takes:
            yield None, f"a preset has {name}, {datasets.kind(name)} data; it takes {takes}"


@rule()
def start_call(chapter: NotebookSource) -> Iterator[Finding]:
    """`run = sslbook.start("<chapter>", PRESETS, globals())` once; presets have every parameter."""
    asked = f"run = sslbook.start({chapter.chapter.name!r}, PRESETS, globals())"
    found = [ast.unparse(node) for cell in chapter.code for node in cell.tree.body
             if isinstance(node, ast.Assign) and syntax.calls(node, "start")]
    if found != [asked]:
        yield None, f"{asked} is asked for once; found {found}"
    presets = parameters.presets(cell.tree for cell in chapter.code).values()
    settings = {key for one in presets if isinstance(one, dict) for key in one}
    for name in names(chapter):  # a parameter that no preset names would be taken for a constant
        if name not in STANDARD and name.lower() not in settings:
            yield None, f"no preset says what {name} is by default ({name.lower()})"
