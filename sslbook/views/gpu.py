"""The same views as `cpu.py` without data-dependent branches, for CUDA graphs.

All views of a batch go through every operation, and what was not drawn for one leaves it as it is.
Shapes and launches therefore do not depend on the numbers drawn, nothing is read back, and the
whole can be captured in a CUDA graph. The pixels computed for nothing cost less than the launches.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from sslbook.views import colour, cpu, resample
from sslbook.views.draw import HUE, Draw
from sslbook.views.recipe import Recipe


def exact(images: Tensor, draw: Draw, recipe: Recipe, mean: Sequence, std: Sequence) -> Tensor:
    """Views (n, 3, S, S) by one operation after the other, n a multiple of the images."""
    x = resample.apply(*_crops(images, draw, recipe.size))
    if max(recipe.jitter) > 0 and recipe.jitter_p > 0:
        x = _jittered(x, draw, shifts=recipe.jitter[HUE] > 0)
    if recipe.gray:
        x = torch.where(_of_each(draw.gray), colour.luma(x), x)
    if recipe.blur:
        weights = resample.Blur.of(draw.sigma, recipe.size, recipe.kernel_size).weights()
        x = resample.apply(x, weights, weights)
    return _finished(x, draw, recipe, mean, std)


def affine(images: Tensor, draw: Draw, recipe: Recipe, mean: Sequence, std: Sequence) -> Tensor:
    """Views by three products: rows and columns with the blur in them, then colours."""
    x, down, across = _crops(images, draw, recipe.size)
    average = cpu.average(x, down, across)
    if recipe.blur:
        weights = resample.Blur.of(draw.sigma, recipe.size, recipe.kernel_size).weights()
        down, across = torch.bmm(weights, down), torch.bmm(weights, across)
    gain, share, _ = cpu.colour_maps(draw, (0.0,) * 3, (1.0,) * 3)
    pixels = resample.apply(x, down, across).flatten(2)
    x = torch.baddbmm(torch.bmm(share, average), gain, pixels).clamp_(0, 1)
    return _finished(x.unflatten(2, (recipe.size, -1)), draw, recipe, mean, std)


def _crops(images: Tensor, draw: Draw, size: int) -> tuple[Tensor, Tensor, Tensor]:
    """What `resample.apply` takes: sources as float, weights of rows (scaling bytes), columns."""
    top, left, height, width = draw.boxes.unbind(1)
    down = resample.Axis.of(top, height, images.shape[2], size).weights()
    across = resample.Axis.of(left, width, images.shape[3], size, draw.flip).weights()
    if not images.is_floating_point():
        down.div_(255)
    x = images.to(torch.float32).repeat(len(draw) // len(images), 1, 1, 1)
    return x, down, across


def _jittered(x: Tensor, draw: Draw, shifts: bool) -> Tensor:
    """Colour jitter; a view's hue is shifted at its own place among the four operations."""
    blends, offsets = cpu.blends(draw), colour.hue_offsets(draw.hue)
    for slot in range(4):
        if shifts:
            here = _of_each(draw.hue_place == slot)
            x = torch.where(here, colour.shift_hue_(x.clone(), offsets), x)
        if slot < 3:
            x = colour.blend_(x, *blends[slot])
    return x


def _finished(x: Tensor, draw: Draw, recipe: Recipe, mean: Sequence, std: Sequence) -> Tensor:
    if recipe.solarize:
        x = torch.where(_of_each(draw.solarize) & (x >= 0.5), 1 - x, x)
    shift, scale = cpu.statistics(mean, std, x.device)
    return (x - shift) / scale


def _of_each(flag: Tensor) -> Tensor:
    return flag[:, None, None, None]
