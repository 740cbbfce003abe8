"""Contenders are timed in turns and compared within a round: the speed of a machine drifts."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch.utils.benchmark import Timer

from tools.bench.rows import Row, describe

Clocked = Callable[[], float]  # seconds of a call


@dataclass(frozen=True)
class Options:
    """rounds: of each comparison. data: the data set's name. quick: tiny sizes."""

    device: torch.device
    threads: int = 1
    rounds: int = 1
    data: str = "shapes"
    quick: bool = False

    @property
    def cuda(self) -> bool:
        return self.device.type == "cuda"

    @property
    def workers(self) -> int:
        """Processes of a data loader: none beside one thread, which then does the work."""
        return 0 if self.threads == 1 else self.threads

    @property
    def batch(self) -> int:
        """Images of a training step."""
        return 8 if self.quick else 512 if self.cuda else 64

    @property
    def clock(self) -> str:
        """CPU seconds where one thread works: other tenants of the machine lengthen them little."""
        return "process time" if self.threads == 1 and not self.cuda else "wall time"

    def now(self) -> float:
        """Seconds on the clock, a GPU waited for."""
        if self.cuda:
            torch.cuda.synchronize()
        return time.process_time() if self.clock == "process time" else time.perf_counter()


def timed(work: Callable[[], object], options: Options) -> Clocked:
    """Work that is warm and ready to be timed: the mean of 0.2 seconds of calls, at least one."""
    work()  # imports, allocates, starts loaders, chooses kernels
    timer = Timer("work()", globals={"work": work}, timer=options.now, num_threads=options.threads)
    return lambda: timer.blocked_autorange(min_run_time=0 if options.quick else 0.2).mean


def compared(
    part: str, case: str, items: int, makers: dict[str, Callable[[], Clocked]], options: Options
) -> list[Row]:
    """Rounds in which every contender is measured once; every other round goes backwards.

    makers: make, before the first round, what measures the seconds of a call. Who raises, or is
    not installed, gets an error in place of seconds.
    """
    rows = {who: Row(part, case, who, [], options.threads, options.clock, items) for who in makers}
    ready: dict[str, Clocked] = {}
    for turn in range(options.rounds):
        for who in [who for who in makers if not rows[who].error][:: -1 if turn % 2 else 1]:
            try:
                if turn == 0:
                    ready[who] = makers[who]()
                rows[who].seconds.append(ready[who]())
            except Exception as error:  # whatever a peer does, the others' figures are kept
                rows[who].seconds, rows[who].error = [], describe(error)
    return list(rows.values())
