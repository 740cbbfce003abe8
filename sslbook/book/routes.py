"""Routes through the book, computed from what chapters need and how long they take.

A route is closed: whatever a chapter of it needs stands before it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sslbook.book import notebook
from sslbook.book.toc import Chapter
from sslbook.errors import UsageError

_MINUTES = re.compile(r"^\| minutes \| reading (\d+), doing (\d+);", re.M)
WEEKS, LONG_A_WEEK, OTHERS_A_WEEK = 6, 2, 2


@dataclass(frozen=True)
class Route:
    """Chapters in reading order, in one or more units such as weeks.

    minutes: of the whole route; doing: True where the exercises are part of them.
    """

    name: str
    units: tuple[tuple[Chapter, ...], ...]
    minutes: int
    doing: bool

    @property
    def chapters(self) -> tuple[Chapter, ...]:
        return tuple(chapter for unit in self.units for chapter in unit)


def minutes(chapter: Chapter) -> tuple[int, int]:
    """(reading, doing) minutes, as the chapter's card says.

    Raises UsageError where it does not say them.
    """
    card = notebook.read(Path(chapter.path), chapter).text("card")
    if not (found := _MINUTES.search(card)):
        raise UsageError(f"The card of {chapter.name} does not say its minutes.", "",
                         'Write "| minutes | reading 30, doing 40; machine ..." into it.')
    return int(found[1]), int(found[2])


def routes(book: Sequence[Chapter]) -> list[Route]:
    """The book's three routes: 90 minutes (reading alone), one day, six weeks."""
    times = {chapter.name: minutes(chapter) for chapter in book}
    reading = {name: both[0] for name, both in times.items()}
    whole = {name: sum(both) for name, both in times.items()}
    return [
        _within("90 minutes", book, 90, reading, doing=False),
        _within("One day", book, 6 * 60, whole, doing=True),
        _weekly("Six weeks", book, whole),
    ]


def closure(chapter: Chapter, book: Sequence[Chapter]) -> list[Chapter]:
    """The chapter after all that it needs, in the order of the book."""
    wanted, known = {chapter.name}, {one.name: one for one in book}
    while more := {need for name in wanted for need in known[name].needs} - wanted:
        wanted |= more
    return [one for one in book if one.name in wanted]


def _by_worth(book: Sequence[Chapter]) -> list[Chapter]:
    """Long chapters first: they are the roots of the families; the scoreboard is for looking up."""
    return sorted((one for one in book if one.part != "scoreboard"),
                  key=lambda one: (one.form != "long", one.number))


def _within(name: str, book: Sequence[Chapter], limit: int, cost: dict[str, int], *,
            doing: bool) -> Route:
    """Take chapters with what they need, in the order of their worth, while they fit."""
    taken: set[str] = set()
    for chapter in _by_worth(book):
        wanted = taken | {one.name for one in closure(chapter, book)}
        if sum(cost[one] for one in wanted) <= limit:
            taken = wanted
    unit = tuple(one for one in book if one.name in taken)
    return Route(name, (unit,), sum(cost[one.name] for one in unit), doing)


def _weekly(name: str, book: Sequence[Chapter], cost: dict[str, int]) -> Route:
    """A week: two long chapters and two others, each after what it needs."""
    left, read, weeks = [one for one in book if one.part != "scoreboard"], set(), []
    for _ in range(WEEKS):
        week, room = [], {True: LONG_A_WEEK, False: OTHERS_A_WEEK}
        for chapter in list(left):
            is_long = chapter.form == "long"
            if room[is_long] and read.issuperset(chapter.needs):
                room[is_long] -= 1
                read.add(chapter.name)
                left.remove(chapter)
                week.append(chapter)
        weeks.append(tuple(week))
    chosen = [one for week in weeks for one in week]
    return Route(name, tuple(weeks), sum(cost[one.name] for one in chosen), True)


def weeks_table(book: Sequence[Chapter]) -> str:
    """The six weeks as markdown: week, chapters in reading order with their minutes, together.

    `sslbook course plan` prints it and docs/teaching.md holds it. The minutes are one learner's, as
    the cards say.
    """
    lines = ["| week | chapters (minutes of reading and doing) | together |", "|--:|---|--:|"]
    six = next(route for route in routes(book) if route.name == "Six weeks")
    for number, unit in enumerate(six.units, start=1):
        spent = {chapter.name: sum(minutes(chapter)) for chapter in unit}
        said = ", ".join(f"{name} ({count})" for name, count in spent.items())
        lines.append(f"| {number} | {said or 'project'} | {sum(spent.values()) or '-'} |")
    return "\n".join(lines)
