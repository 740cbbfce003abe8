"""Symbol tables: one symbol means one thing in the whole book.

The chapter that introduces a symbol has its whole entry under `symbols:` in its metadata: name (how
a chapter asks for it), tex (as in formulas), code (as in code; "": not there), shape (with N
samples of a batch, D features; scalar, or a set) and meaning. An entry that is not whole says what
differs in this chapter's part of the book.

A cell asks for a table with a line `<!-- symbols: z1; C; lambd -->`; `sslbook nb refresh` writes
the table below it, and the contract compares the two.
"""

from __future__ import annotations

import re
from typing import Any

from sslbook.book import toc
from sslbook.book.metadata import wrong
from sslbook.errors import UsageError

WHOLE = {"tex", "code", "shape", "meaning"}
HEADING = "| symbol | code | shape | meaning |\n|---|---|---|---|"
_MARKER = re.compile(r"^<!-- symbols: (.+?) -->(?:\n((?:\|.*\n?)+))?", re.M)


def known() -> dict[str, dict[str, Any]]:
    """The book's symbols by name: the whole entry, and under `parts` what differs in which part.

    Raises UsageError that names the chapter where an entry cannot be, or is there twice.
    """
    whole: dict[str, dict[str, Any]] = {}
    partial: dict[str, dict[str, dict[str, str]]] = {}
    for chapter in toc.chapters():
        for name, entry in chapter.metadata.get("symbols", {}).items():
            others = whole if set(entry) == WHOLE else partial.setdefault(name, {})
            key = name if others is whole else chapter.part
            if key in others:
                raise wrong(chapter.path.with_suffix(".yml"),
                            f"symbol {name} is said already by an earlier chapter")
            others[key] = entry
    if strange := set(partial) - set(whole):
        raise UsageError(f"No chapter has the whole symbol {sorted(strange)[0]!r}.", "",
                         f"Write {', '.join(sorted(WHOLE))} of it into one chapter's metadata.")
    return {name: entry | {"parts": partial.get(name, {})} for name, entry in whole.items()}


def table(names: list[str], part: str) -> str:
    """Markdown rows of the named symbols, as they are used in a part of the book.

    Raises UsageError for a name that no chapter has.
    """
    rows, book = [HEADING], known()
    for name in names:
        if name not in book:
            raise UsageError(f"No chapter has the symbol {name!r}.", "",
                             f"Add it to a chapter's metadata, or use one of: {', '.join(book)}.")
        entry = book[name] | book[name]["parts"].get(part, {})
        code = f"`{entry['code']}`" if entry["code"] else ""
        rows.append(f"| ${entry['tex']}$ | {code} | {entry['shape']} | {entry['meaning']} |")
    return "\n".join(rows)


def asked(source: str) -> list[tuple[list[str], str]]:
    """(names, the table below it) of every marker in a cell."""
    return [([name.strip() for name in found[1].split(";")], (found[2] or "").rstrip("\n"))
            for found in _MARKER.finditer(source)]


def filled(source: str, part: str) -> str:
    """The cell with the table of every marker written anew."""

    def renewed(found: re.Match) -> str:
        names = [name.strip() for name in found[1].split(";")]
        end = "\n" if (found[2] or "").endswith("\n") else ""
        return f"<!-- symbols: {found[1]} -->\n{table(names, part)}{end}"

    return _MARKER.sub(renewed, source)
