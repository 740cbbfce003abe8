"""What can be read off a syntax tree: calls, imports, draws without a generator."""

from __future__ import annotations

import ast
import threading
from collections.abc import Iterator
from typing import Any

_TORCH_DRAWS = {"rand", "randn", "randint", "randperm", "normal", "bernoulli", "multinomial"}
_TORCH_GLOBAL = {"manual_seed", "manual_seed_all", "seed", "rand_like", "randn_like",
                 "randint_like"}
_IN_PLACE = {"normal_", "uniform_", "random_", "bernoulli_", "exponential_"}
# Python 3.11 counts how deep a tree is per process, so two threads confuse it (cpython#106905).
_ONE_AT_A_TIME = threading.Lock()


def parse(source: str) -> ast.Module | None:
    """The tree of a cell; None where it is not Python, as with `%` and `!` lines."""
    try:
        with _ONE_AT_A_TIME:
            return ast.parse(source)
    except (SyntaxError, ValueError):
        return None


def dotted(node: ast.AST) -> str:
    """`a.b.c` of a name or attribute chain, "" for anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        base = dotted(node.value)
        return f"{base}.{node.attr}" if base else ""
    return ""


def calls(tree: ast.AST, *names: str) -> list[ast.Call]:
    """Calls whose function is one of `names`, plain or as the last part of a dotted name."""
    found = (node for node in ast.walk(tree) if isinstance(node, ast.Call))
    return [call for call in found if last(call.func) in names]


def last(node: ast.AST) -> str:
    """The last part of a dotted name, also of one that hangs on a call; "" for anything else."""
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def keyword(call: ast.Call, name: str) -> ast.expr | None:
    """The value of a keyword argument, None where it is not given."""
    return next((word.value for word in call.keywords if word.arg == name), None)


def literal(node: ast.AST | None) -> Any:
    """The value of a constant, None for anything else."""
    return node.value if isinstance(node, ast.Constant) else None


def imports(tree: ast.AST) -> Iterator[tuple[str, str, int]]:
    """(name bound here, full dotted name, line) of every import, also those inside functions."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                bound = alias.asname or alias.name.split(".")[0]
                yield bound, alias.name if alias.asname else bound, node.lineno
                if not alias.asname and "." in alias.name:
                    yield alias.name, alias.name, node.lineno
        elif isinstance(node, ast.ImportFrom) and not node.level:
            for alias in node.names:
                yield alias.asname or alias.name, f"{node.module}.{alias.name}", node.lineno


def aliases(*trees: ast.AST) -> dict[str, str]:
    """What each imported name stands for, such as np -> numpy."""
    return {bound: full for tree in trees for bound, full, _ in imports(tree)}


def full_name(node: ast.AST, known: dict[str, str]) -> str:
    """The dotted name of a node with its first part spelled out; "" where it is not imported."""
    first, _, rest = dotted(node).partition(".")
    base = known.get(first, "")
    return f"{base}.{rest}" if base and rest else base


def unseeded(tree: ast.AST, known: dict[str, str]) -> Iterator[str]:
    """Every call that draws from, or seeds, torch's global generator, or NumPy's own seed.

    known: what imported names stand for, as `aliases` returns it.
    """
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        module, _, name = full_name(call.func, known).rpartition(".")
        given = keyword(call, "generator") is not None
        torch = module in ("torch", "torch.random", "torch.cuda")
        in_place = isinstance(call.func, ast.Attribute) and call.func.attr in _IN_PLACE
        entropy = name == "default_rng" and not (call.args or call.keywords)
        if (torch and (name in _TORCH_GLOBAL or (name in _TORCH_DRAWS and not given))
                or (in_place and not given) or entropy):
            yield dotted(call.func) or last(call.func)
