"""What changed in a chapter for a reader: `changes` in its metadata."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from sslbook.book.toc import Chapter


@dataclass(frozen=True)
class Change:
    """One change. results: whether the chapter's stored numbers and verdicts are the first ones
    ("new"), no longer what they were ("changed"), or the "same"."""

    date: date
    results: str
    what: str


def of(chapter: Chapter) -> list[Change]:
    """A chapter's changes, newest first."""
    found = [Change(**row) for row in chapter.metadata.get("changes", [])]
    return sorted(found, key=lambda row: row.date, reverse=True)
