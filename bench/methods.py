"""The methods and nets that the bench trains. A new method is one line of METHODS."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

import torch

from bench.options import Options
from bench.pictures import pictures
from sslbook import heads, nets
from sslbook.streams import Streams
from sslbook.training import Batches, Recipe
from sslbook.training.step import Step
from sslbook.views import Augment
from sslbook.views import Recipe as Views

# name (also of the module in sslbook.methods): the loss on two embeddings (B, D).
METHODS = {
    "simclr": "nt_xent_loss",
    "barlow_twins": "barlow_twins_loss",
}


@dataclass(frozen=True)
class Net:
    """A backbone as it is measured. projector: widths of the layers on top of it."""

    title: str
    name: str
    batch: int
    options: dict[str, Any] = field(default_factory=dict)
    projector: tuple[int, ...] = (256, 256)

    def backbone(self) -> torch.nn.Module:
        return nets.build(self.name, **self.options)

    def module(self) -> heads.Siamese:
        encoder = self.backbone()
        return heads.Siamese(encoder, heads.projector(encoder.out_dim, *self.projector))


_WIDE = (2048, 2048, 2048)  # the chapters' own projector on a GPU
SMALL = Net("ResNet-8 w32", "resnet8", 256, {"width": 32})
ON_CPU = (
    SMALL,
    Net("ResNet-8 w16", "resnet8", 64, {"width": 16}),
    Net("ResNet-18", "resnet18", 64),
    Net("ViT-Tiny/4", "vit_tiny", 32),
)
ON_GPU = (
    SMALL,
    Net("ResNet-8 w16", "resnet8", 64, {"width": 16}),
    Net("ResNet-18", "resnet18", 512, projector=_WIDE),
    Net("ViT-Tiny/4", "vit_tiny", 512, projector=_WIDE),
)
QUICK = (
    Net("ResNet-8 w16", "resnet8", 8, {"width": 16}, (16, 16)),
    Net("ViT, depth 1", "vit_tiny", 4, {"width": 24, "depth": 1}, (16, 16)),
)


def cases(options: Options) -> tuple[Net, ...]:
    """The nets to measure, each with its batch size."""
    return QUICK if options.quick else ON_GPU if options.cuda else ON_CPU


def loss(method: str) -> Callable[..., torch.Tensor]:
    """The public loss of a method."""
    return getattr(import_module(f"sslbook.methods.{method}"), METHODS[method])


@dataclass(frozen=True)
class Training:
    """step(): the next whole update. stepper: what makes it. batches: what it takes."""

    step: Callable[[], Any]
    stepper: Step
    batches: Batches


def training(
    net: Net,
    method: str,
    options: Options,
    hue: str = "hsv",
    accelerate: str = "off",
    batches: Batches | None = None,
) -> Training:
    """A training of two SimCLR views of 32-pixel images, ready to go on step by step."""
    if batches is None:
        found = pictures(options.data, 4 * net.batch)
        augment = Augment(Views.simclr(32, hue=hue), found.mean, found.std)
        streams = Streams(0, "bench")
        batches = Batches(found.images, net.batch, streams, augment, options.device)
    recipe = Recipe()
    module = net.module().to(options.device, memory_format=torch.channels_last).train()
    stepper = Step(
        module, batches, loss(method), recipe, options.device, options.precision, accelerate
    )
    done = iter(range(10**9))
    return Training(lambda: stepper(next(done), recipe.lr), stepper, batches)
