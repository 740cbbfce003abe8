"""The teacher's notes: minutes, misconceptions and questions of each section (teaching.yml)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from sslbook import paths
from sslbook.errors import UsageError
from sslbook.nbtools import routes
from sslbook.nbtools.source import NotebookSource

SHARE = 4  # of a section without one: a guide has sections of its own
_KEYS = {"share", "misconceptions", "ask"}


@dataclass(frozen=True)
class Note:
    """One section's note. minutes: its part of the card's reading and doing minutes, whole.

    misconceptions: what learners often believe, each with what is right. ask: (question, answer).
    """

    minutes: int
    misconceptions: tuple[str, ...]
    ask: tuple[tuple[str, str], ...]


def load(folder: Path | None = None) -> dict[str, Any]:
    """The file of notes, `teaching.yml` beside the table of contents; UsageError where it is bad.

    Holds `sections` (what is right for the section of any chapter) and `chapters` (name, then
    section); an entry has share, misconceptions and ask.
    """
    path = (folder or paths.notebooks()) / "teaching.yml"
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
        entries = [*found["sections"].values(),
                   *(entry for one in found["chapters"].values() for entry in one.values())]
        if extra := {key for entry in entries for key in entry} - _KEYS:
            raise ValueError(f"unknown key {sorted(extra)[0]}")
    except (OSError, ValueError, KeyError, TypeError, AttributeError, yaml.YAMLError) as error:
        raise UsageError(f"The teacher's notes cannot be read ({type(error).__name__}: {error}).",
                         "Nothing was written.", "Mend notebooks/teaching.yml.") from error
    return found


def of(source: NotebookSource) -> dict[str, Note]:
    """The notes of a chapter's sections, in their order.

    The card's minutes are shared out by weight, so the notes always sum to what the card says;
    what the chapter's own entry says comes before what is true of every chapter.
    """
    book = load(source.chapter.folder)
    own, common = book["chapters"].get(source.chapter.name, {}), book["sections"]
    names = list(dict.fromkeys(source.order))
    both = {name: (own.get(name, {}), common.get(name, {})) for name in names}
    weights = [next((entry["share"] for entry in both[name] if "share" in entry), SHARE)
               for name in names]
    minutes = shared(sum(routes.minutes(source.chapter)), weights)
    return {name: Note(spent, _joined(both[name], "misconceptions"),
                       tuple((q, a) for entry in both[name]
                             for q, a in entry.get("ask", {}).items()))
            for name, spent in zip(names, minutes, strict=True)}


def _joined(entries: tuple[dict, ...], key: str) -> tuple[str, ...]:
    return tuple(text for entry in entries for text in entry.get(key, []))


def shared(total: int, weights: list[float]) -> list[int]:
    """Whole numbers in proportion to the weights that sum to `total` (largest remainders)."""
    exact = [total * weight / (sum(weights) or 1) for weight in weights]
    whole = [int(one) for one in exact]
    rest = sorted(range(len(exact)), key=lambda i: whole[i] - exact[i])
    for i in rest[: total - sum(whole)]:
        whole[i] += 1
    return whole


def text(note: Note) -> str:
    """A note as markdown, set off by a quote's bar; empty where there is nothing to say."""
    lines = [f"**For the teacher** · {note.minutes} min"]
    lines += [f"- *Often believed:* {one}" for one in note.misconceptions]
    lines += [f"- *Ask:* {question} *Answer:* {answer}" for question, answer in note.ask]
    if not note.minutes and len(lines) == 1:
        return ""
    return "\n".join(f"> {line}" if i != 1 else f">\n> {line}" for i, line in enumerate(lines))
