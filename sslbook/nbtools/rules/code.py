"""Rules about the code cells: plain Python, seeded draws, the book's own figures and modules.

What ruff can see (imports that go online, draws from NumPy's and Python's global generators, exits)
stands in `notebooks/ruff.toml`.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module

import sslbook
from sslbook.book import syntax
from sslbook.book.notebook import NotebookSource
from sslbook.nbtools.contract import Finding, rule

ROOMS = ("datasets", "views", "masks", "nets", "methods", "judging", "lesson")
GUIDES = ("records", "training")  # for a chapter on speed, and for those on all records


@rule()
def plain_python(chapter: NotebookSource) -> Iterator[Finding]:
    """Every code cell is Python that compiles, without `%` and `!` lines."""
    for cell in chapter.code:
        if syntax.parse(cell.source) is None:
            yield cell.index, "the cell does not compile as Python (`%` and `!` lines do not)"


@rule()
def seeded_draws(chapter: NotebookSource) -> Iterator[Finding]:
    """Every draw names its generator, from the run's streams."""
    known = syntax.aliases(*(cell.tree for cell in chapter.code))
    for cell in chapter.code:
        for call in syntax.unseeded(cell.tree, known):
            yield cell.index, f"{call} uses a global generator: pass generator=run's stream"


@rule()
def public_imports(chapter: NotebookSource) -> Iterator[Finding]:
    """A chapter imports `sslbook` and the public names of its rooms, no module inside of them."""
    allowed = (*ROOMS, *GUIDES) if chapter.chapter.form == "guide" else ROOMS
    for cell in chapter.code:
        for _, full, _ in syntax.imports(cell.tree):
            package, *inner = full.split(".")
            if package == "sslbook" and not _is_public(inner, allowed):
                yield cell.index, f"{full} is not public: import from sslbook or a room of its own"


def _is_public(inner: list[str], allowed: tuple[str, ...]) -> bool:
    """Whether a room's `__all__` has it. inner: the parts of a dotted name after `sslbook`."""
    room, *names = inner or [""]
    if room == "methods":  # a module for each method, with its functions
        return len(names) <= 2
    if room in (*ROOMS, *GUIDES):
        public = import_module(f"sslbook.{room}").__all__
        return room in allowed and (not names or names[0] in public and len(names) == 1)
    return inner in ([], *([name] for name in sslbook.__all__))
