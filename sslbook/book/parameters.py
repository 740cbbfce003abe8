"""A chapter's parameters and presets, read from its notebook without running it."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import nbformat

from sslbook.book import syntax
from sslbook.errors import UsageError

# What a literal of dicts is made of; anything else is not evaluated.
_PLAIN = (ast.Dict, ast.Tuple, ast.List, ast.Constant, ast.Name, ast.Load, ast.keyword, ast.UnaryOp,
          ast.USub, ast.BinOp, ast.BitOr)
_BUILTINS = {"__builtins__": {}, "dict": dict}


def read(notebook: Path) -> dict[str, dict[str, Any]]:
    """The dict PRESETS of a notebook; {} where it has none that is a literal of dicts."""
    cells = nbformat.read(notebook, as_version=4).cells
    return presets(syntax.parse(cell.source) for cell in cells if cell.cell_type == "code")


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


def known_parameters(notebook: Path) -> dict[str, dict[str, Any]]:
    """Name -> {inferred_type_name, default, help} of a notebook's parameters cell.

    Raises UsageError for a file that is not a notebook of Python code.
    """
    import papermill

    try:
        return papermill.inspect_notebook(str(notebook))
    except (ValueError, KeyError, AttributeError, nbformat.ValidationError) as error:
        reason = str(error).partition("\n")[0][:60]
        raise UsageError(f"The notebook {notebook.name} cannot be read: {reason}.",
                         "Nothing was started.", "Save it again in JupyterLab.") from error
