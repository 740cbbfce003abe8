"""The gate: a chapter shows a method that beats the untrained net and the raw input."""

from __future__ import annotations

from collections.abc import Iterator

from sslbook import records
from sslbook.book.notebook import NotebookSource
from sslbook.book.toc import Chapter
from sslbook.nbtools.contract import Finding, rule
from sslbook.records import claims, gains, pools


@rule("long", "short", "study")
def gate(chapter: NotebookSource) -> Iterator[Finding]:
    """In the records of preset smoke the chapter's measure beats the untrained net and raw input.

    Over at least three seeds, with the 95 % interval of the difference above zero. A study of a
    failure says `learns: "no: reason"` in its metadata, and the reason on its first screen.
    """
    about = chapter.chapter
    if about.edition == 1 or about.learns:
        return
    pool = newest(about)
    for role in ("untrained", "raw") if pool else ():
        over = gains.level(pool[-1]["method"], pool, about.measure).over(role)
        low, _ = claims.interval(over)
        if len(over) >= claims.SEEDS and not low > 0:
            what = "the untrained net" if role == "untrained" else "the raw input"
            yield None, (f"{about.measure} beats {what} by {sum(over) / len(over):.1f} points over "
                         f"{len(over)} seeds, and the 95 % interval begins at {low:.1f}")
        elif len(over) < claims.SEEDS:
            yield None, f"{len(over)} seeds have {about.measure} and that of the {role} control"
    if not pool:
        yield None, "no record of preset smoke on the chapter's first data set names its method"


def newest(about: Chapter) -> pools.Pool:
    """The newest runs of preset smoke on the chapter's first data set, one per seed."""
    found = [pool for pool in pools.pools(records.shipped(about.name))
             if pool[-1]["preset"] == "smoke" and pool[-1].get("method")
             and pool[-1]["parameters"].get("dataset", "") in about.data[:1]]
    return max(found, default=[], key=lambda pool: pool[-1]["started"])
