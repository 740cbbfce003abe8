"""(2) A step of SimCLR over its floor: the share of it that is the backbone's forward and backward.

`pretrain` is the training that every part times: two views of small images, `sslbook.train`.
"""

from __future__ import annotations

import contextlib
import io
import tempfile
import timeit
from collections.abc import Callable, Iterator
from functools import partial
from itertools import product
from typing import Any

import torch
from torch import Tensor, nn

import sslbook
from sslbook import nets
from sslbook.methods.simclr import nt_xent_loss
from sslbook.nets import heads
from sslbook.training import History
from sslbook.views import Augment, Recipe
from tools.bench.augmentation import images
from tools.bench.rows import Row
from tools.bench.timing import Options

_WARM = 5  # steps; a capture is over by then
Backbone = Callable[[], nn.Module]
NETS: dict[str, Backbone] = {
    "ResNet-8 w16": partial(nets.build, "resnet8", width=16),
    "ResNet-8 w32": partial(nets.build, "resnet8", width=32),
    "ResNet-18": partial(nets.build, "resnet18"),
    "ViT-Tiny/4": partial(nets.build, "vit_tiny"),
}


class Enough(Exception):
    """The stopwatch has seen what it came for."""


class Stopwatch:
    """An `after_step` hook of `train`: seconds of a step, one entry for each block of steps.

    The first `warm` steps do not count. After every block as many calls of `beside` are timed, for
    `floor`. Raises Enough after `blocks` blocks.
    """

    def __init__(self, options: Options, warm: int, block: int, blocks: int = 1,
                 beside: Callable[[], object] = lambda: None):  # fmt: skip
        self.now, self.warm, self.block, self.blocks = options.now, warm, block, blocks
        self.beside, self.seconds, self.floor, self.began = beside, [], [], 0.0

    def __call__(self, module: nn.Module, step: int, steps: int = 0) -> None:
        done = step + 1 - self.warm
        if done < 0 or done % self.block:
            return
        if done:
            self.seconds.append((self.now() - self.began) / self.block)
            beside = timeit.timeit(self.beside, timer=self.now, number=self.block)
            self.floor.append(beside / self.block)
        if len(self.seconds) == self.blocks:
            raise Enough
        self.began = self.now()

    @property
    def steps(self) -> int:
        """So many that `train` neither prints a row nor writes a checkpoint while it is timed."""
        return 11 * (self.warm + self.block * self.blocks)


def pretrain(
    backbone: Backbone, options: Options, hook: Callable[[nn.Module, int, int], None], steps: int,
    accelerate: str, projector: tuple[int, int] = (256, 256),
    loss: Callable[[Tensor, Tensor], Tensor] = nt_xent_loss, dtype: torch.dtype = torch.float32,
    **settings: Any,
) -> History | None:
    """Train SimCLR as a chapter does, in a temporary folder; None after Enough.

    hook: called after every step. projector: its widths. dtype: of weights. settings: of the run.
    """
    data = images(options, 4 * options.batch)
    presets = {"check": {"batch_size": options.batch, "dataset": options.data, **settings}}

    def module() -> nn.Module:
        encoder = backbone()
        made = heads.Siamese(encoder, heads.projector(encoder.out_dim, *projector)).to(dtype)
        made.register_forward_pre_hook(lambda _, given: ([x.to(dtype) for x in given[0]], given[1]))
        return made

    quiet, enough = contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(Enough)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder, quiet, enough:
        run = sslbook.start("bench", presets, PRESET="check", OUT_DIR=folder)
        batches = run.batches(data.images, Augment(Recipe.simclr(32), data.mean, data.std))
        return sslbook.train(
            run, module, batches, name="simclr", loss=loss, after_step=[hook],
            steps=steps, quiet=True, allow_collapse=True, accelerate=accelerate,
        )  # fmt: skip


def half(options: Options) -> torch.dtype | None:
    """The type that `train` casts to by default on this device; None on a CPU."""
    if not options.cuda:
        return None
    hardware = torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.bfloat16 if hardware else torch.float16


def run(options: Options) -> Iterator[Row]:
    """For every net and way: the bare backbone and a step around it, block by block in turns."""
    block = 16 if options.cuda else 3  # random numbers are drawn for 16 steps in one go
    nets, ways = list(NETS), ("off", "graph") if options.cuda else ("off",)
    for net, way in product(nets[:1] if options.quick else nets, ways):
        case = f"{net}, batch {options.batch}{', graph' * (way == 'graph')}"
        call = bare(NETS[net], options)
        call()
        hook = Stopwatch(options, _WARM, block, options.rounds, beside=call)
        pretrain(NETS[net], options, hook, hook.steps, way)
        for who, seconds in (("backbone", hook.floor), ("step", hook.seconds)):
            yield Row("step", case, who, seconds, options.threads, options.clock, options.batch)


def bare(backbone: Backbone, options: Options) -> Callable[[], None]:
    """The floor of a step: the backbone's forward and backward on two views on the device."""
    device, dtype, layout = options.device, half(options), torch.channels_last
    net = backbone().to(device, memory_format=layout).train()
    x = torch.rand(2 * options.batch, 3, 32, 32, device=device).contiguous(memory_format=layout)

    def call() -> None:
        net.zero_grad(set_to_none=True)
        with torch.autocast(device.type, dtype, enabled=dtype is not None):
            out = net(x)
        out.float().sum().backward()

    return call
