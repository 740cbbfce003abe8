"""(a) Augmentation: pairs per second. A pair is a source image with its two views."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from functools import partial

import torch

from bench import timing, transforms
from bench.options import Options, workers
from bench.pictures import pictures
from bench.records import Row, built, say

PART = "augmentation"
SIZES, BLURS, BATCH, ROUNDS = (32, 64, 96), (0.5, 0.0), 256, 7
CONTENDERS = {
    "ours, exact": partial(transforms.ours, hue="hsv"),
    "ours, chroma": partial(transforms.ours, hue="chroma"),
    "lightly": transforms.lightly,
    "torchvision on PIL": transforms.torchvision_pil,
    "torchvision v2": transforms.torchvision_v2,
    "kornia": transforms.kornia,
}
REFERENCES = ("lightly", "torchvision on PIL")


def run(options: Options) -> Iterator[Row]:
    """One row for each contender, size, blur and number of threads."""
    sizes, batch = ((32,), 8) if options.quick else (SIZES, BATCH)
    for threads, size, blur in itertools.product(options.threads, sizes, BLURS):
        yield from _compared(options, threads, size, blur, batch)


def _compared(options: Options, threads: int, size: int, blur: float, batch: int) -> Iterator[Row]:
    torch.set_num_threads(threads)
    loaders = workers(threads)
    sources = pictures(options.data, batch * max(1, 2 * loaders), size)
    task = transforms.Task(sources, size, blur, batch, loaders, options.device)
    case = {"threads": threads, "size": size, "blur": blur, "batch": batch}
    makers, rows = built({n: partial(c, task) for n, c in CONTENDERS.items()}, PART, case)
    clock = timing.clock(options.device, threads)
    functions = {name: maker.make for name, maker in makers.items()}
    times = timing.alternate(
        functions, clock, options.turns(ROUNDS), limit=options.seconds, least=options.least, say=say
    )
    for name, maker in makers.items():
        seconds = times.seconds.get(name, [])
        row = Row(PART, case, name, seconds, maker.items, clock.name)
        row.error = times.errors.get(name, "")
        rows.append(row)
    yield from with_ratios(rows, REFERENCES)


def with_ratios(rows: list[Row], references: tuple[str, ...]) -> list[Row]:
    """Each row's speed over that of the reference rows, round by round."""
    known = {row.name: row for row in rows if row.seconds}
    for row in known.values():
        for name in references:
            if name in known:
                row.ratios[name] = timing.per_round(row.rates, known[name].rates)
    return rows
