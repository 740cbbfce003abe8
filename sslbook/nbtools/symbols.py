"""Symbol tables from `docs/symbols.yml`: one symbol means one thing in the whole book.

A cell asks for a table with a line `<!-- symbols: z1; C; lambd -->`; `sslbook nb normalise` writes
the table below it, and the contract compares the two.
"""

from __future__ import annotations

import functools
import re
from pathlib import Path
from typing import Any

import yaml

from sslbook import paths
from sslbook.errors import UsageError

HEADING = "| symbol | code | shape | meaning |\n|---|---|---|---|"
_MARKER = re.compile(r"^<!-- symbols: (.+?) -->(?:\n((?:\|.*\n?)+))?", re.M)


def symbols_file() -> Path:
    return paths.notebooks().parent / "docs" / "symbols.yml"


@functools.cache
def _read(path: Path, _changed: float) -> dict[str, dict[str, Any]]:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def known() -> dict[str, dict[str, Any]]:
    """The book's symbols by name, {} where the file is not here (a wheel has none)."""
    path = symbols_file()
    return _read(path, path.stat().st_mtime) if path.is_file() else {}


def table(names: list[str], part: str) -> str:
    """Markdown rows of the named symbols, as they are used in a part of the book.

    Raises UsageError for a name that the file does not have.
    """
    rows = [HEADING]
    for name in names:
        if name not in known():
            raise UsageError(
                f"The symbol {name!r} is not in docs/symbols.yml.", "",
                f"Add it there, or use one of: {', '.join(known())}.",
            )
        entry = known()[name]
        entry = {**entry, **entry.get("parts", {}).get(part, {})}
        code = f"`{entry['code']}`" if entry.get("code") else ""
        rows.append(f"| ${entry['tex']}$ | {code} | {entry['shape']} | {entry['meaning']} |")
    return "\n".join(rows)


def asked(source: str) -> list[tuple[list[str], str]]:
    """(names, the table below it) of every marker in a cell."""
    return [([name.strip() for name in found[1].split(";")], (found[2] or "").rstrip("\n"))
            for found in _MARKER.finditer(source)]


def filled(source: str, part: str) -> str:
    """The cell with the table of every marker written anew; as it is where there is no page."""
    if not known():
        return source

    def renewed(found: re.Match) -> str:
        names = [name.strip() for name in found[1].split(";")]
        end = "\n" if (found[2] or "").endswith("\n") else ""
        return f"<!-- symbols: {found[1]} -->\n{table(names, part)}{end}"

    return _MARKER.sub(renewed, source)
