"""Measuring several functions in alternation: what one figure means, and how it is compared.

Speed drifts with the processor's clock, its temperature and its other tenants. A figure is
therefore never compared across runs: the functions take turns in one process, and what is compared
is the ratio within each round, whose median and quartiles are reported.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch

LEAST_ROUNDS = 3
_LONG = 3.0  # seconds; a call this long is warm after one


class Clock(NamedTuple):
    """now(): seconds. name: what they count."""

    name: str
    now: Callable[[], float]


class Summary(NamedTuple):
    """Median and quartiles."""

    median: float
    low: float
    high: float


@dataclass
class Times:
    """seconds: of one call, by function; entry i of each was measured in the same round.

    errors: of those that failed, and then have no seconds.
    """

    seconds: dict[str, list[float]] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)


def clock(device: torch.device, threads: int, *, other_processes: bool = False) -> Clock:
    """The clock that counts a function's work and as little else as possible.

    One thread on the CPU: this process's own CPU seconds, which other tenants of the machine do
    not lengthen. More threads or worker processes: wall seconds, which is what somebody waits.
    A GPU: wall seconds, the device waited for at both ends.
    """
    if device.type == "cuda":
        return Clock("wall, device waited for", _synchronised)
    if threads == 1 and not other_processes:
        return Clock("process time", time.process_time)
    return Clock("wall", time.perf_counter)


def _synchronised() -> float:
    torch.cuda.synchronize()
    return time.perf_counter()


def alternate(
    functions: dict[str, Callable[[], Any]],
    clock: Clock,
    rounds: int,
    *,
    limit: float = 0.0,
    least: float = 0.05,
    multiple: int = 1,
    say: Callable[[Exception], str] = str,
) -> Times:
    """Seconds of a call of each function, in `rounds` rounds of which each calls all of them.

    limit: seconds after which no round begins, once there are three; 0 for none. A function is
    called twice before it counts (a long one once), and in a round so often that it takes `least`
    seconds, rounded up to a `multiple` (for work that is done once in so many calls). Every other
    round goes backwards, so that nobody always comes after the same one. A function that raises
    is left out; `say` turns its error into the text that is kept.
    """
    times = Times()
    repeats: dict[str, int] = {}

    def attempt(name: str, work: Callable[[], Any]) -> None:
        try:
            work()
        except Exception as error:  # whatever a peer does, the others' figures are kept
            times.errors[name] = say(error)
            times.seconds.pop(name, None)

    def prepare(name: str) -> None:
        took = _lap(functions[name], clock, 1)
        if took < _LONG:
            took = _lap(functions[name], clock, 1)
        repeats[name] = multiple * math.ceil(least / took / multiple) if took < least else 1
        times.seconds[name] = []

    def measure(name: str) -> None:
        times.seconds[name].append(_lap(functions[name], clock, repeats[name]))

    for name in functions:
        attempt(name, lambda name=name: prepare(name))
    began = clock.now()
    for turn in range(rounds):
        if limit and turn >= LEAST_ROUNDS and clock.now() - began > limit:
            break
        for name in list(times.seconds)[:: -1 if turn % 2 else 1]:
            attempt(name, lambda name=name: measure(name))
    return times


def _lap(function: Callable[[], Any], clock: Clock, repeats: int) -> float:
    """Seconds of one of `repeats` calls; at least a nanosecond, so that rates stay finite."""
    began = clock.now()
    for _ in range(repeats):
        function()
    return max((clock.now() - began) / repeats, 1e-9)


def summary(values: Iterable[float]) -> Summary:
    """Median and quartiles; of one value, that value three times."""
    values = list(values)
    if len(values) < 2:
        return Summary(*values * 3)
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return Summary(middle, low, high)


def per_round(above: list[float], below: list[float]) -> list[float]:
    """above / below, round by round."""
    return [a / b for a, b in zip(above, below, strict=True)]
