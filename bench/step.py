"""(b) The whole step over the bare backbone: its forward and backward on the same two views."""

from __future__ import annotations

import gc
import itertools
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import torch

from bench import launches, methods, timing
from bench.methods import Net, Training
from bench.options import Options
from bench.records import Row, built, say
from sslbook.training import precision

PART = "step"
ROUNDS = 7
_BLOCK = 16  # steps whose random numbers are drawn in one go; short steps are timed in such blocks
_AHEAD = 5  # steps that a capture takes


class Way(NamedTuple):
    """How a step is made: exact or chroma colours, plain or accelerated."""

    name: str
    hue: str
    accelerate: str


ON_CPU = (Way("exact", "hsv", "off"), Way("chroma", "chroma", "off"))
ON_GPU = (
    Way("exact, eager", "hsv", "off"),
    Way("exact, graph", "hsv", "auto"),
    Way("chroma, graph", "chroma", "auto"),
)


def run(options: Options) -> Iterator[Row]:
    """A row for each method and way, and one for the bare backbone, per net and threads."""
    for threads, net in itertools.product(options.threads, methods.cases(options)):
        yield from _compared(options, threads, net)


def ways(options: Options, net: Net) -> tuple[Way, ...]:
    """On a CPU the cheaper colours are measured where views cost something: under ResNet-8."""
    if options.cuda:
        return ON_GPU
    return ON_CPU if net.name == "resnet8" else ON_CPU[:1]


def _compared(options: Options, threads: int, net: Net) -> Iterator[Row]:
    torch.set_num_threads(threads)
    gc.collect()  # what the net before left, of weights and graphs
    if options.cuda:
        torch.cuda.empty_cache()
    case = {"threads": threads, "net": net.title, "batch": net.batch, "method": ""}
    makers: dict[str, Callable[[], Any]] = {}
    for method, way in itertools.product(methods.METHODS, ways(options, net)):
        makers[f"{method}: {way.name}"] = partial(_training, net, method, options, way)
    trainings, failed = built(makers, PART, case)
    functions = {"bare": bare(net, options)} | {n: t.step for n, t in trainings.items()}
    clock = timing.clock(options.device, threads)
    times = timing.alternate(
        functions, clock, options.turns(ROUNDS), limit=options.seconds, multiple=_BLOCK, say=say,
        least=options.least,
    )  # fmt: skip
    rows = failed + [
        Row(PART, case, name, times.seconds.get(name, []), net.batch, clock.name,
            error=times.errors.get(name, "")) for name in functions
    ]  # fmt: skip
    for row in rows:
        yield _finished(row, rows, trainings.get(row.name), options)


def _training(net: Net, method: str, options: Options, way: Way) -> Training:
    made = methods.training(net, method, options, way.hue, way.accelerate)
    for _ in range(_AHEAD if options.cuda else 0):
        made.step()
    return made


def _finished(row: Row, rows: list[Row], made: Training | None, options: Options) -> Row:
    """The row with its method named, its ratio to the bare backbone and its launches."""
    if row.name == "bare":
        return row
    method, way = row.name.split(": ")
    row.case, row.name = {**row.case, "method": method}, way
    below = next((one.seconds for one in rows if one.name == "bare"), [])
    if row.seconds and below:
        row.ratios["bare"] = timing.per_round(row.seconds, below)
    if made is not None:
        row.extra |= {"mode": made.stepper.mode, "reason": made.stepper.reason}
        if options.cuda and not row.error:
            row.extra |= _launches(made)
    return row


def _launches(made: Training) -> dict[str, Any]:
    try:
        counted = launches.count(made.step)
    except Exception as error:  # a profiler that may not look must not cost the step its row
        return {"launches_error": say(error)}
    return {"launches": counted.kernels, "graphs": counted.graphs}


def bare(net: Net, options: Options) -> Callable[[], None]:
    """Forward and backward of the backbone alone on two views, ready on the device."""
    device = options.device
    backbone = net.backbone().to(device, memory_format=torch.channels_last).train()
    x = torch.rand(2 * net.batch, 3, 32, 32, device=device)
    x = x.contiguous(memory_format=torch.channels_last)

    def call() -> None:
        for weight in backbone.parameters():
            weight.grad = None
        with precision.autocast(device, options.precision):
            out = backbone(x)
        out.float().sum().backward()

    return call
