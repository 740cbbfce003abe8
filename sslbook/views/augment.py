"""Views of a whole batch at once, from one recipe or one per view."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from sslbook.errors import UsageError
from sslbook.views import checks, cpu, gpu
from sslbook.views.draw import Draw
from sslbook.views.recipe import NUMBERS, Recipe

PIXELS = 2**17  # of the views in a chunk on the CPU: about what a core's own cache holds


class Augment:
    """Random views of a batch of images, on the images' device, in float32.

    recipe: one for all views, or a tuple with one per view (their number wins over `views`).
    mean, std: per channel, in 0-1; what views are normalised by.

    Drawn for every view of every image by itself: crop, flip, whether colours jitter, their
    factors and the order of the four colour operations, gray, blur and its sigma, solarize.
    Nothing is shared by a batch. The numbers come from one torch.rand on the CPU, before the
    work is cut into chunks, so their size and the device have no part in them.

    With hue="hsv" a view equals torchvision's operations on float images one after the other,
    each clamped to 0-1. With hue="chroma" brightness, contrast, saturation, chroma rotation and
    gray are composed into one affine map of the pixel, taken at the place of the first, and the
    blur into the resize; the pixel is clamped once, at the end (before solarize), so colours that
    leave 0-1 on the way may come back. The mean that contrast blends with is, in both, that of
    the gray crop after the operations before it.
    """

    def __init__(
        self,
        recipe: Recipe | Sequence[Recipe],
        mean: Sequence[float],
        std: Sequence[float],
        views: int = 2,
    ):
        if isinstance(recipe, Recipe):
            checks.size(views, "views")
            recipe = (recipe,) * views
        self.recipes = tuple(recipe)
        if not self.recipes or not all(isinstance(one, Recipe) for one in self.recipes):
            raise UsageError("Expected a Recipe, or one Recipe per view.")
        self.mean, self.std = _statistics(mean, std)

    def __call__(self, images: Tensor, generator: torch.Generator) -> tuple[Tensor, ...]:
        """Views (B, 3, S, S), normalised, of images (B, 3, H, W), uint8 or float in 0-1.

        generator: on the CPU; advanced by one draw. A wrong shape or type is a UsageError.
        """
        return self.apply(images, self.draw(images, generator))

    def pictures(self, images: Tensor, generator: torch.Generator) -> tuple[Tensor, ...]:
        """The same views in 0-1, for drawing."""
        return self.apply(images, self.draw(images, generator), normalised=False)

    def draw(self, images: Tensor, generator: torch.Generator) -> tuple[Draw, ...]:
        """The parameters of each view. A Draw can be sliced, for a part of the batch."""
        checks.images(images)
        return tuple(map(Draw, self.draws(images.shape, [generator])[0]))

    def draws(self, shape: Sequence[int], generators: Sequence[torch.Generator]) -> Tensor:
        """The parameters of several steps at once, one generator each: (steps, views, B, 14).

        shape: of the images of a step, (B, 3, H, W). A step's tables depend on its own generator
        alone, whatever is drawn beside them; `apply` takes them as they are.
        """
        for generator in generators:
            checks.generator(generator)
        count, (height, width) = shape[0], shape[2:]
        numbers = (len(self.recipes), count, NUMBERS)
        u = torch.stack([torch.rand(numbers, generator=one) for one in generators], 1)
        return torch.stack([
            recipe.draw(u[view].flatten(0, 1), height, width).table.unflatten(0, (-1, count))
            for view, recipe in enumerate(self.recipes)
        ], 1)

    def apply(
        self, images: Tensor, draws: Tensor | Sequence[Draw], *, normalised: bool = True,
        static: bool = False,
    ) -> tuple[Tensor, ...]:
        """The views that `draws` describe, in 0-1 if not `normalised`.

        draws: a Draw per view, or their tables as one tensor (views, B, 14) on any device.
        static: the way for GPUs, also on a CPU: what is launched depends on shapes alone.
        """
        checks.images(images)
        tables = [one.table if isinstance(one, Draw) else one for one in draws]
        if [len(table) for table in tables] != [len(images)] * len(self.recipes):
            raise UsageError("Expected one draw per view, with one row per image.")
        mean, std = (self.mean, self.std) if normalised else ((0.0,) * 3, (1.0,) * 3)
        static = static or images.device.type != "cpu"
        result: list[Tensor] = [images] * len(tables)
        with checks.exact(images.device):
            for recipe in dict.fromkeys(self.recipes):  # views of one recipe are made together
                views = [i for i, one in enumerate(self.recipes) if one == recipe]
                draw = Draw(torch.cat([tables[i] for i in views]).to(images.device))
                if static:
                    make = gpu.exact if recipe.hue == "hsv" else gpu.affine
                    made = make(images, draw, recipe, mean, std)
                else:
                    make = cpu.exact if recipe.hue == "hsv" else cpu.affine
                    made = make(images, draw, recipe, _chunk(images, recipe.size), mean, std)
                for view, x in zip(views, made.chunk(len(views)), strict=True):
                    result[view] = x
        return tuple(result)


def _chunk(images: Tensor, size: int) -> int:
    """Views to work on at a time."""
    return max(PIXELS // max(images.shape[2] * images.shape[3], size * size), 1)


def _statistics(mean: Sequence[float], std: Sequence[float]) -> tuple[tuple, tuple]:
    """Mean and std as three floats each, std above 0."""
    mean, std = tuple(map(float, mean)), tuple(map(float, std))
    if len(mean) != 3 or len(std) != 3 or min(std) <= 0:
        raise UsageError(
            f"Expected mean and std with three channels and std above 0, got {mean} and {std}.",
            todo="They are in 0-1: dataset.mean and dataset.std.",
        )
    return mean, std


def prepare(images: Tensor, size: int, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    """The deterministic view for evaluation, (B, 3, size, size), float32.

    images: (B, 3, H, W), uint8 or float in 0-1. Resized (bilinear, antialiased) until the
    shorter side is `size`, the centre cut, normalised; as torchvision's Resize and CenterCrop.
    """
    checks.images(images)
    checks.size(size)
    mean, std = _statistics(mean, std)
    height, width = images.shape[2:]
    x = images.to(torch.float32)
    if not images.is_floating_point():
        x = x / 255
    short = min(height, width)
    tall, wide = int(size * height / short), int(size * width / short)
    if (tall, wide) != (height, width):
        x = interpolate(x, (tall, wide), mode="bilinear", antialias=True, align_corners=False)
    top, left = round((tall - size) / 2), round((wide - size) / 2)
    shift, scale = cpu.statistics(mean, std, x.device)
    return (x[:, :, top : top + size, left : left + size] - shift) / scale


def preparer(train: Any) -> Callable[[Tensor], Tensor]:
    """`prepare` at the size and with the statistics of a training split (an ImageSet)."""
    return partial(prepare, size=train.shape[-1], mean=train.mean, std=train.std)
