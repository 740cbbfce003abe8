"""The teacher's notes: minutes, misconceptions and questions of each section of a chapter.

What holds for the section of any chapter stands in `notebooks/teaching.yml`, the rest under `notes`
in the metadata of its chapter. An entry has share, misconceptions and ask.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sslbook.book import metadata, routes
from sslbook.book.notebook import NotebookSource

SHARE = 4  # of a section without one: a guide has sections of its own


@dataclass(frozen=True)
class Note:
    """One section's note. minutes: its part of the card's reading and doing minutes, whole.

    misconceptions: what learners often believe, each with what is right. ask: (question, answer).
    """

    minutes: int
    misconceptions: tuple[str, ...]
    ask: tuple[tuple[str, str], ...]


def common(folder: Path) -> dict[str, Any]:
    """What is right for the section of any chapter; folder: that of the notebooks."""
    return metadata.read(folder / "teaching.yml")["sections"]


def of(source: NotebookSource) -> dict[str, Note]:
    """The notes of a chapter's sections, in their order.

    The card's minutes are shared out by weight, so the notes always sum to what the card says;
    what the chapter's own entry says comes before what is true of every chapter.
    """
    first, then = source.chapter.metadata.get("notes", {}), common(source.chapter.folder)
    names = list(dict.fromkeys(source.order))
    both = {name: (first.get(name, {}), then.get(name, {})) for name in names}
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
