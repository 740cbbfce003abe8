"""A chapter's parameters and presets, read from its notebook without running it."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from sslbook.book import syntax
from sslbook.errors import UsageError

# What a literal of dicts is made of; anything else is not evaluated.
_PLAIN = (ast.Dict, ast.Tuple, ast.List, ast.Constant, ast.Name, ast.Load, ast.keyword, ast.UnaryOp,
          ast.USub, ast.BinOp, ast.BitOr)
_BUILTINS = {"__builtins__": {}, "dict": dict}


class Parameter(NamedTuple):
    """A line `NAME: kind = default  # help` of a parameters cell."""

    name: str
    kind: str
    default: Any
    help: str


_CUTS = (
    Parameter("IMAGES", "int", -1, "training samples, rows or nodes; 0 means all, "
              "-1 means from the preset"),
    Parameter("TEST_IMAGES", "int", -1, "test samples; 0 means all, -1 means from the preset"),
)


def read(notebook: Path) -> dict[str, dict[str, Any]]:
    """The dict PRESETS of a notebook; {} where it has none that is a literal of dicts."""
    return presets(syntax.parse(source) for source, _ in _code_cells(notebook))


def presets(trees: Iterable[ast.Module | None]) -> dict[str, dict[str, Any]]:
    """What `read` returns, from the syntax trees of the code cells."""
    values: dict[str, Any] = {}
    for node in (node for tree in trees if tree for node in tree.body):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and _plain(node):
            code = compile(ast.Expression(node.value), "presets", "eval")
            try:
                # Only literals, names and dict() came through _plain.
                values[node.targets[0].id] = eval(code, _BUILTINS, values)  # nosec B307 # see above
            except NameError:  # built from something that is not plain
                continue
            if node.targets[0].id == "PRESETS":
                return values["PRESETS"]
    return {}


def _plain(node: ast.Assign) -> bool:
    def fits(part: ast.AST) -> bool:
        call = isinstance(part, ast.Call) and syntax.dotted(part.func) == "dict"
        return call or isinstance(part, _PLAIN)

    return all(fits(part) for part in ast.walk(node.value))


def known_parameters(notebook: Path) -> dict[str, Parameter]:
    """The parameters of a notebook's parameters cell, by name.

    Raises UsageError for a file that is not there, or not a notebook with plain parameters.
    """
    if not notebook.is_file():
        raise UsageError(f"The notebook of {notebook.stem!r} is not here.",
                         "Nothing was started.", "See: sslbook list")
    try:
        return {parameter.name: parameter for source, tags in _code_cells(notebook)
                if "parameters" in tags for parameter in _declared(source)}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        reason = str(error).partition("\n")[0][:60]
        raise UsageError(f"The notebook {notebook.name} cannot be read: {reason}.",
                         "Nothing was started.", "Save it again in JupyterLab.") from error


def accepted(notebook: Path) -> dict[str, Parameter]:
    """`known_parameters`, and those by which every chapter's data can be cut.

    `start` takes them although the parameters cell does not list them: settings of the presets.
    """
    known = known_parameters(notebook)
    settings = {key for values in read(notebook).values() for key in values}
    return known | {one.name: one for one in _CUTS
                    if one.name.lower() in settings and one.name not in known}


def _code_cells(notebook: Path) -> Iterator[tuple[str, list[str]]]:
    """(source, tags) of each code cell; as JSON, for nbformat takes a fifth of a dry run."""
    for cell in json.loads(notebook.read_text(encoding="utf-8"))["cells"]:
        if cell["cell_type"] == "code":
            yield "".join(cell["source"]), cell["metadata"].get("tags", [])


def _declared(source: str) -> Iterator[Parameter]:
    lines = source.splitlines()
    for node in syntax.parse(source).body:
        if isinstance(node, ast.AnnAssign):
            rest = lines[node.end_lineno - 1].encode()[node.end_col_offset :].decode()
            yield Parameter(ast.unparse(node.target), ast.unparse(node.annotation),
                            ast.literal_eval(node.value), rest.partition("#")[2].strip())
