"""How the runs of a sweep ended, and what is said about it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from sslbook.headless.sweep.grid import Grid, Point

DONE, BEFORE, FAILED, CUT, WAITING = "done", "done before", "failed", "interrupted", "not begun"


@dataclass
class Result:
    """How a point of the grid ended: status, exit code (None: not begun), run id, what was said."""

    point: Point
    status: str = WAITING
    code: int | None = None
    run: str = ""
    message: str = ""

    def take(self, answer: dict[str, Any], stopped: bool) -> None:
        """Fill in a worker's answer; an interrupt that we did not ask for is a failure."""
        if answer["code"] is not None:
            self.code, self.run, self.message = answer["code"], answer["run"], answer["message"]
            cut = CUT if stopped and self.code in (130, 143) else FAILED
            self.status = cut if self.code else DONE


def line(grid: Grid, result: Result) -> str:
    """How a run stands, in words."""
    code = f", exit code {result.code}" if result.code else ""
    run = f" ({result.run})" if result.run else ""
    return f"{grid.label(result.point)}: {result.status}{code}{run}"


def counted(count: int, what: str) -> str:
    """1 run, 2 runs."""
    return f"{count:,} {what}" + ("" if count == 1 else "s")


def shape(grid: Grid) -> str:
    """How many settings and seeds a grid has."""
    return f"{counted(len(grid.settings()), 'setting')}, {counted(len(grid.seeds), 'seed')}"


def summary(results: list[Result]) -> str:
    """How many runs there are, and how they stand."""
    counts = Counter(result.status for result in results)
    stand = ", ".join(f"{n} {status}" for status, n in counts.items())
    return f"{counted(len(results), 'run')}: {stand}"


def end_text(grid: Grid, results: list[Result], code: int) -> list[str]:
    """Lines that say how a sweep ended: counts, each failure with its code, how to go on."""
    lines = [summary(results)]
    for result in results:
        if result.status == FAILED:
            lines.append(line(grid, result))
            lines += [f"    {text}" for text in result.message.splitlines()]
    if code in (5, 130, 143):
        why = "Out of time." if code == 5 else "Interrupted."
        lines.append(f"{why} Go on with the same command.")
    return lines
