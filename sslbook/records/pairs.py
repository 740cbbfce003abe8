"""Two methods side by side: the code that differs, and what of theirs may be compared.

Whatever may not be compared is answered with a sentence that says why.
"""

from __future__ import annotations

import difflib
import inspect
import json
import math
from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from statistics import mean
from typing import Any

from torch import Tensor

from sslbook import records
from sslbook.book import notebook, toc
from sslbook.book.toc import Chapter
from sslbook.core import paths
from sslbook.errors import UsageError
from sslbook.records import report
from sslbook.records.claims import interval

Loss = Callable[[Tensor, Tensor], Tensor]
_ALIKE = 0.3  # share of equal lines from which on a difference is easier to read than both codes


def methods(*names: str) -> list[Chapter]:
    """The chapters of two methods. Raises UsageError where these are not two methods."""
    known = {one.name: one for one in toc.chapters() if one.twin}
    if len(set(names)) != 2 or not set(names) <= set(known):
        raise UsageError(f"{' and '.join(names)} are not two methods of the book.",
                         "Nothing was compared.", f"A and B can be: {', '.join(known)}.")
    return [known[name] for name in names]


def code(chapter: Chapter) -> str:
    """What a chapter has its reader write first, its equation as code, without the marks."""
    found = notebook.read(chapter.path, chapter)
    cells = [*found.section("equation", kind="code"), *found.code]
    exercise = next(cell for cell in cells if cell.tagged("exercise:"))
    return notebook.solved(exercise.source)


def difference(a: Chapter, b: Chapter) -> list[str]:
    """The code of `b` as lines of a difference from `a`'s; [] where they share too little."""
    old, new = (code(one).splitlines() for one in (a, b))
    if difflib.SequenceMatcher(None, old, new).ratio() < _ALIKE:
        return []
    return list(difflib.unified_diff(old, new, lineterm="", n=99))[3:]


def loss(chapter: Chapter, temperature: float) -> Loss | None:
    """The twin's loss of two views' embeddings, (N, D) both; None where it takes other inputs.

    temperature: goes to losses that have one.
    """
    for twin in chapter.twin:
        module = import_module(f"sslbook.methods.{twin}")
        for name, function in inspect.getmembers(module, inspect.isfunction):
            given = inspect.signature(function).parameters
            needed = [key for key, one in given.items() if one.default is one.empty]
            own = function.__module__ == module.__name__ and name.endswith("_loss")
            if own and needed == ["z1", "z2"]:
                known = {"temperature": temperature} if "temperature" in given else {}
                return partial(function, **known)
    return None


def scores(a: Chapter, b: Chapter) -> dict[tuple[str, str, str], report.Values]:
    """The groups (`report.groups`) of shipped runs in which both methods were scored.

    A chapter that changes one thing of its parent trains the parent's way, too: its runs alone
    compare the two.
    """
    groups = report.groups(report.scoreboard(_records(a, b)))
    return {place: rows for place, rows in groups.items() if _both(rows, a, b)}


def _both(rows: report.Values, a: Chapter, b: Chapter) -> bool:
    from_chapter = [chapter for chapter, _ in rows if chapter]
    children = [one.name for one, other in ((a, b), (b, a))
                if other.name in [parent for parent, _ in one.parents]]
    return {a.name, b.name} <= set(from_chapter) or any(
        from_chapter.count(child) > 1 for child in children)


def gap(first: Sequence[float], second: Sequence[float]) -> tuple[float, float, float]:
    """Difference of the means, and the 95 % interval of the paired difference over seeds.

    The interval is (nan, nan) where the runs cannot be paired or are fewer than three.
    """
    between = mean(first) - mean(second)
    if len(first) != len(second) or len(first) < 3:
        return between, math.nan, math.nan
    return between, *interval([x - y for x, y in zip(first, second, strict=True)])


def unequal(a: Chapter, b: Chapter) -> str:
    """What differs between the chapters' own runs, as a sentence; "" where nothing does."""
    found = report.scoreboard(_records(a, b))
    theirs, ours = ({(row["data"], row["preset"], row["budget"]) for row in found
                     if row["chapter"] == one.name} for one in (a, b))
    for one, places in ((a, theirs), (b, ours)):
        if not places:
            return f"The book has no scores of {one.title}, so there is nothing to compare."
    if theirs & ours:
        return ""
    same = [(old, new) for old in sorted(theirs) for new in sorted(ours) if old[:2] == new[:2]]
    if not same:
        data = [", ".join(sorted({place[0] for place in places})) for places in (theirs, ours)]
        return (f"No run of {a.title} ({data[0]}) has the data of a run of {b.title} ({data[1]}), "
                "so their scores are not compared.")
    old, new = same[0]
    first, second = (dict(part.split(" ", 1) for part in place[2].split(", ")) for place in same[0])
    gaps = [f"{key} {first.get(key, 'none')} and {second.get(key, 'none')}"
            for key in {**first, **second} if first.get(key) != second.get(key)]
    return (f"The runs of {a.title} and {b.title} on {old[0]} had unequal budgets "
            f"({'; '.join(gaps)}), so their scores are not compared.")


def encoders(a: Chapter, b: Chapter) -> tuple[list[Path], str]:
    """(both shipped encoders' folders, "") for equal data and nets; else ([], why not)."""
    folders = [paths.records() / one.name for one in (a, b)]
    about: list[dict[str, Any]] = []
    for one, folder in zip((a, b), folders, strict=True):
        if not (folder / "encoder.json").is_file():
            return [], f"The book ships no encoder of {one.title}, so no image is asked."
        about.append(json.loads((folder / "encoder.json").read_text(encoding="utf-8")))
    for key in ("data", "net"):
        first, second = (_said(one[key]) for one in about)
        if first != second:
            return [], (f"The encoders of {a.title} and {b.title} differ in their {key} "
                        f"({first}; {second}), so no image is asked.")
    return folders, ""


def _said(value: object) -> str:
    """A data set's name, or a net's description without its lists, as words."""
    if not isinstance(value, dict):
        return str(value)
    return ", ".join(f"{key} {one}" for key, one in value.items() if not isinstance(one, list))


def claims(a: Chapter, b: Chapter) -> Sequence[report.Row]:
    """The rows of the ledger for both chapters, in the order of chapters and claims."""
    order = [a.name, b.name]
    return sorted(report.ledger(_records(a, b)),
                  key=lambda row: (order.index(row["chapter"]), row["claim"], row["data"]))


def _records(a: Chapter, b: Chapter) -> list[dict[str, Any]]:
    return [one for one in records.shipped() if one["chapter"] in (a.name, b.name)]
