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
        self.code, self.run, self.message = answer["code"], answer["run"], answer["message"]
        if self.code is not None:
            cut = CUT if stopped and self.code in (130, 143) else FAILED
            self.status = cut if self.code else DONE


def ending(result: Result) -> str:
    """How a run ended, in words."""
    code = f", exit code {result.code}" if result.code else ""
    return f"{result.status}{code}" + (f" ({result.run})" if result.run else "")


def counted(count: int, what: str) -> str:
    """1 run, 2 runs."""
    return f"{count:,} {what}" + ("" if count == 1 else "s")


def shape(grid: Grid) -> str:
    """How many settings and seeds a grid has."""
    return f"{counted(len(grid.settings()), 'setting')}, {counted(len(grid.seeds), 'seed')}"


def plan_text(grid: Grid, results: list[Result]) -> list[str]:
    """Lines that say what a sweep would do."""
    words = {(BEFORE, True): "done", (WAITING, True): "to go on with", (WAITING, False): "to do"}
    lines = []
    for result in results:
        word = words[result.status, bool(result.run)]
        run = f" ({result.run})" if result.run else ""
        lines.append(f"{grid.label(result.point)}: {word}{run}")
    counts = Counter(result.status for result in results)
    lines.append(f"{counted(len(results), 'run')}: {counts[BEFORE]} done, "
                 f"{counts[WAITING]} to do")
    return lines


def end_text(grid: Grid, results: list[Result], code: int) -> list[str]:
    """Lines that say how a sweep ended: counts, each failure with its code, how to go on."""
    counts = Counter(result.status for result in results)
    ends = ", ".join(f"{n} {status}" for status, n in counts.items())
    lines = [f"{counted(len(results), 'run')}: {ends}"]
    for result in results:
        if result.status == FAILED:
            lines.append(f"{grid.label(result.point)}: {ending(result)}")
            lines += [f"    {line}" for line in result.message.splitlines()]
    if code == 5:
        lines.append("Out of time. Go on with the same command.")
    elif code in (130, 143):
        lines.append("Interrupted. Go on with the same command.")
    return lines
