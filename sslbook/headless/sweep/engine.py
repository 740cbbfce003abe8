"""A sweep from its grid to its comparison: what is done is skipped, the rest goes to workers."""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

from sslbook.core import paths
from sslbook.core.lock import FolderLock
from sslbook.core.version import __version__
from sslbook.errors import UsageError
from sslbook.headless.sweep import past, work
from sslbook.headless.sweep.cluster import first_line
from sslbook.headless.sweep.grid import Grid, Point
from sslbook.headless.sweep.results import (
    BEFORE,
    CUT,
    FAILED,
    WAITING,
    Result,
    end_text,
    line,
    shape,
    summary,
)
from sslbook.headless.worker import GRACE, signals_to

_RETRIES = 2  # of a run whose process was killed; lost workers are Dask's own affair
Say = Callable[[str], object]


class Stop:
    """Why no further run is begun: `signal`, the number of one that came, or a spent budget."""

    def __init__(self, minutes: float = 0.0):
        self.signal = 0
        self._end = time.monotonic() + 60 * minutes if minutes else math.inf

    def __call__(self, number: int, _frame: Any = None) -> None:
        if self.signal:  # the second Ctrl-C does not wait for checkpoints
            raise KeyboardInterrupt
        self.signal = number

    @property
    def asked(self) -> bool:
        return bool(self.signal) or time.monotonic() > self._end


def plan_results(grid: Grid) -> list[Result]:
    """All points of the grid; those that a record shows as done, or as cut short, have its run."""
    found, results = past.index(grid.base, grid.defaults), []
    for point in grid.points():
        done, begun = past.newest(found, grid.given(point), grid.defaults)
        if done:
            results.append(Result(point, BEFORE, 0, done.name))
        elif begun:
            results.append(Result(point, CUT, None, begun.name))
        else:
            results.append(Result(point))
    return results


def sweep(grid: Grid, connect: Callable[[int], AbstractContextManager[Any]], budget: float = 0.0,
          say: Say = print) -> int:
    """Run what is not done yet, compare all that is, say both; returns the exit code.

    connect: number of runs -> context of a Dask client. budget: minutes, 0 for as long as it
    takes. say: what takes a line. The code is 0, 4 (a run failed), 5 (out of budget), or 130 and
    143 (interrupted).
    Raises UsageError where this sweep runs already.
    """
    stop = Stop(budget)
    with _locked(grid), signals_to(stop):
        results = plan_results(grid)
        todo = [result for result in results if result.status != BEFORE]
        say(f"{grid.chapter.name} ({shape(grid)}), {summary(results)}")
        if todo:
            with connect(len(todo)) as client:
                _work(grid, todo, client, stop, say)
        code = _code(results, stop)
        for text in end_text(grid, results, code):
            say(text)
        from sslbook.headless.sweep import comparison

        for path in comparison.write(grid, results):
            say(f"Written: {path}")
    return code


@contextlib.contextmanager
def _locked(grid: Grid) -> Iterator[None]:
    lock = FolderLock(grid.folder)
    lock.hold(UsageError("This sweep is running already.", "Nothing was started.",
                         "Wait for it, or stop it with Ctrl-C."))
    try:
        yield
    finally:
        lock.release()


def _work(grid: Grid, todo: list[Result], client: Any, stop: Stop, say: Say) -> None:
    """Give the runs to the workers; ends when all have answered, or soon after a stop."""
    from distributed import Event

    name = f"sslbook-{secrets.token_hex(4)}"
    event, end = Event(name, client=client), math.inf
    pending = {client.submit(work.run_point, _job(grid, result.point), name, key=f"{name}-{i}",
                             retries=_RETRIES): result for i, result in enumerate(todo)}
    try:
        while pending and time.monotonic() < end:
            if stop.asked and end == math.inf:
                say("Stopping: no further run is begun, those that run write a checkpoint.")
                event.set()
                end = time.monotonic() + 3 * GRACE  # workers that never came never answer
            for future in [one for one in pending if one.done()]:
                result = pending.pop(future)
                result.take(_answer(future), stop.asked)
                if result.code is not None:
                    say(f"[{len(todo) - len(pending)}/{len(todo)}] {line(grid, result)}")
            time.sleep(0.2)
    finally:
        client.cancel(list(pending))


def _job(grid: Grid, point: Point) -> dict[str, Any]:
    """What a worker is told; the folders must be the same ones where it runs."""
    told = {k: v for k, v in os.environ.items() if k.startswith("SSLBOOK_")}
    return {
        "chapter": grid.chapter.name, "given": grid.given(point), "defaults": grid.defaults,
        "out_dir": grid.out_dir and str(paths.runs(grid.out_dir)), "base": str(grid.base),
        "version": __version__, "cwd": os.getcwd(),
        "environment": told | {"SSLBOOK_HOME": str(paths.home())},
    }


def _answer(future: Any) -> dict[str, Any]:
    try:
        return future.result(timeout=30)
    except (Exception, asyncio.CancelledError) as error:  # of whatever kind: the others go on
        return work.answer(4, message=f"{type(error).__name__}: {first_line(error)}")


def _code(results: list[Result], stop: Stop) -> int:
    statuses = {result.status for result in results}
    if statuses & {CUT, WAITING}:
        return 128 + stop.signal if stop.signal else 5
    return 4 if FAILED in statuses else 0
