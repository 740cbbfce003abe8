"""(c) The whole pretraining loop, ours and the peers': images per second after a warm-up."""

from __future__ import annotations

import gc
import itertools
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch

from bench import loop_lightly, loop_spt, methods, peers, timing
from bench.loop_task import Measured, Task, projector
from bench.methods import Net
from bench.options import Options, workers
from bench.pictures import pictures
from bench.records import Row, say
from sslbook import heads, train
from sslbook.streams import Streams
from sslbook.training import Batches, Recipe
from sslbook.views import Augment
from sslbook.views import Recipe as Views

PART = "loop"
METHODS = ("simclr", "barlow_twins")  # those that both peers have
ROUNDS = 3
ON_CPU = (methods.SMALL,)
ON_GPU = (methods.SMALL, Net("ResNet-18", "resnet18", 512))
QUICK = methods.QUICK[:1]
# Steps before the watch starts and while it runs. A loader has made its first batches by then.
WARM, STEPS = 5, 10
WARM_GPU, STEPS_GPU = 50, 200
CIFAR = 50_000  # images of an epoch
LOOKS = 100  # of `train` in a training: here one at the end of the warm-up, and as often after it


class Enough(Exception):
    """The watch has seen what it came for."""


@dataclass
class Run:
    """What `train` asks of a run; its log, written after every look at the device, is the watch."""

    task: Task
    folder: Path
    seed: int = 0
    seen: list[tuple[int, float]] = field(default_factory=list)  # (updates done, seconds)

    def __post_init__(self) -> None:
        self.settings, self.streams = SimpleNamespace(epochs=1), Streams(self.seed, "bench")
        self.device, self.precision = self.task.device, self.task.precision

    def log(self, row: dict[str, Any]) -> None:
        if "loss" not in row:
            return
        if self.seen or row["step"] >= self.task.warm:
            self.seen.append((int(row["step"]), self.task.clock.now()))
        if self.seen and self.seen[-1][0] - self.seen[0][0] >= self.task.steps:
            raise Enough

    def note_training(self, history: Any) -> None:
        """Nothing is kept."""


def ours(task: Task) -> Measured:
    """sslbook.train as a chapter calls it: every look at the loss and every log row is in it."""
    augment = Augment(Views.simclr(32), task.mean, task.std)
    images = torch.from_numpy(task.images[:CIFAR]).permute(0, 3, 1, 2).contiguous()
    batches = Batches(images, task.batch, Streams(0, "bench"), augment, task.device)
    recipe = Recipe("sgd", lr=task.lr, weight_decay=0.0, momentum=0.0)

    def module() -> heads.Siamese:
        encoder = task.backbone()
        bias = task.method == "simclr"
        return heads.Siamese(encoder, heads.projector(*projector(task, encoder), bias=bias))

    with tempfile.TemporaryDirectory() as folder:
        run = Run(task, Path(folder))
        try:
            train(
                run, module, batches, name="bench", loss=methods.loss(task.method),
                steps=LOOKS * task.warm, recipe=recipe, quiet=True, allow_collapse=True,
            )  # fmt: skip
        except Enough:
            pass
    (first, began), (last, ended) = run.seen[0], run.seen[-1]
    return Measured(ended - began, last - first)


CONTENDERS = {
    "ours": ours,
    "lightly": partial(loop_lightly.measure, autocast=False),
    "lightly, autocast": partial(loop_lightly.measure, autocast=True),
    "stable-pretraining": loop_spt.measure,
}


def run(options: Options) -> Iterator[Row]:
    """A row for each contender, method, net and number of threads."""
    nets = QUICK if options.quick else ON_GPU if options.cuda else ON_CPU
    for threads, net, method in itertools.product(options.threads, nets, METHODS):
        yield from _compared(options, threads, net, method)


def _compared(options: Options, threads: int, net: Net, method: str) -> Iterator[Row]:
    torch.set_num_threads(threads)
    warm, steps = (2, 2) if options.quick else (WARM, STEPS)
    if options.cuda and not options.quick:
        warm, steps = WARM_GPU, STEPS_GPU
    clock = timing.clock(options.device, threads)
    found = pictures(options.data, net.batch * (warm + steps + 1))  # no epoch ends while measured
    task = Task(
        method, net.backbone, found.arrays(), found.mean, found.std, net.batch, warm, steps,
        workers(threads), options.device, options.precision, clock,
    )  # fmt: skip
    case = {"threads": threads, "net": net.title, "batch": net.batch, "method": method}
    # On a CPU nothing is cast, and lightly's example is what it is.
    names = [name for name in CONTENDERS if options.cuda or "autocast" not in name]
    rows = {
        name: Row(PART, case, name, [], net.batch, clock.name, extra=_extra(name, options))
        for name in names
    }
    for _ in range(options.turns(ROUNDS)):
        for name in [name for name in names if not rows[name].error]:
            _measure(rows[name], CONTENDERS[name], task)
    for row in rows.values():
        if row.seconds and rows["ours"].seconds:
            row.ratios["ours"] = timing.per_round(row.seconds, rows["ours"].seconds)
        yield row


def _extra(name: str, options: Options) -> dict[str, Any]:
    """The number format that each computes in."""
    plain = name == "lightly"
    return {"precision": "float32" if plain else options.precision}


def _measure(row: Row, contender: Callable[[Task], Measured], task: Task) -> None:
    """Add a round to the row, or its error in place of all rounds."""
    cuda = task.device.type == "cuda"
    gc.collect()  # what the contender before left, of weights and graphs
    if cuda:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    try:
        with peers.quiet():
            done = contender(task)
    except Exception as error:  # whatever a peer does, the others' figures are kept
        row.error, row.seconds = say(error), []
        return
    row.seconds.append(done.seconds / done.steps)
    row.extra["steps"] = done.steps
    if cuda:
        row.extra["memory_mb"] = torch.cuda.max_memory_allocated() / 2**20
