"""Contenders are timed in turns and compared within a round: the speed of a machine drifts.

What one run measured is never compared with another run: the processor's clock, its temperature
and its other tenants change the same code's speed by tens of per cent.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch.utils.benchmark import Timer

from tools.bench.rows import Row, describe

Work = Callable[[], object]


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
        """CPU seconds of the process, which other tenants lengthen little, where one thread works.

        Else wall seconds, a GPU waited for.
        """
        return "process time" if self.threads == 1 and not self.cuda else "wall time"

    def now(self) -> float:
        """Seconds on the clock."""
        if self.cuda:
            torch.cuda.synchronize()
        return time.process_time() if self.clock == "process time" else time.perf_counter()

    def row(self, part: str, case: str, who: str, items: int) -> Row:
        """A row without seconds yet."""
        return Row(part, case, who, [], self.threads, self.clock, items)


def compared(
    part: str, case: str, items: int, makers: dict[str, Callable[[], Work]], options: Options
) -> list[Row]:
    """Seconds of a call of each contender's work, in rounds that call all of them.

    makers: what makes the work, by contender. Every other round goes backwards, so that nobody
    always follows the same one. Who raises, or is not installed, gets an error in place of seconds.
    """
    rows = {who: options.row(part, case, who, items) for who in makers}
    timers: dict[str, Timer] = {}
    for turn in range(options.rounds):
        for who in list(makers)[:: -1 if turn % 2 else 1]:
            try:
                if turn == 0:
                    work = makers[who]()
                    work()  # imports, allocates, starts loaders, chooses kernels
                    timers[who] = Timer("work()", globals={"work": work}, timer=options.now,
                                        num_threads=options.threads)  # fmt: skip
                if not rows[who].error:
                    least = 0 if options.quick else 0.2  # seconds that a figure is the mean of
                    taken = timers[who].blocked_autorange(min_run_time=least)
                    rows[who].seconds.append(taken.mean)
            except Exception as error:  # whatever a peer does, the others' figures are kept
                rows[who].seconds, rows[who].error = [], describe(error)
    return list(rows.values())
