"""What changed in a chapter for a reader: `changes` in its metadata."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from sslbook.book.metadata import wrong
from sslbook.book.toc import Chapter

RESULTS = ("new", "changed", "same")


@dataclass(frozen=True)
class Change:
    """One change. results: whether the chapter's stored numbers and verdicts are the first ones,
    no longer what they were, or the same."""

    date: date
    results: str
    what: str


def of(chapter: Chapter) -> list[Change]:
    """A chapter's changes, newest first.

    Raises UsageError that names the file where an entry is wrong.
    """
    try:
        found = [Change(**row) for row in chapter.metadata.get("changes", [])]
        for row in found:
            if not (type(row.date) is date and row.results in RESULTS and row.what):
                raise ValueError(row)
    except (TypeError, ValueError) as error:
        raise wrong(chapter.path.with_suffix(".yml"), "changes are not date: YYYY-MM-DD, results: "
                    f"{', '.join(RESULTS)}, and what:, as the others have them") from error
    return sorted(found, key=lambda row: row.date, reverse=True)
