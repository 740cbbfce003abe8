"""The six weeks as a table: what `sslbook course plan` prints and docs/teaching.md holds."""

from __future__ import annotations

from collections.abc import Sequence

from sslbook.nbtools import routes
from sslbook.nbtools.toc import Chapter


def table(book: Sequence[Chapter]) -> str:
    """Markdown: week, chapters in reading order with their minutes, minutes of the week.

    The weeks are those of `nbtools.routes`; the minutes are one learner's, as the cards say.
    """
    lines = ["| week | chapters (minutes of reading and doing) | together |", "|--:|---|--:|"]
    six = next(route for route in routes.routes(book) if route.name == "Six weeks")
    for number, unit in enumerate(six.units, start=1):
        spent = {chapter.name: sum(routes.minutes(chapter)) for chapter in unit}
        said = ", ".join(f"{name} ({minutes})" for name, minutes in spent.items())
        lines.append(f"| {number} | {said or 'project'} | {sum(spent.values()) or '-'} |")
    return "\n".join(lines)
