"""Views on a CPU, in chunks that fit its cache; an operation runs on the views that drew it alone.

`gpu.py` has the same views for devices that launch kernels.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from sslbook.views import colour, resample
from sslbook.views.constants import constant
from sslbook.views.draw import CONTRAST, HUE, SATURATION, Draw
from sslbook.views.recipe import Recipe


class _Crops:
    """The crops of a draw, made part by part."""

    def __init__(self, images: Tensor, rows: Tensor, draw: Draw, size: int):
        top, left, height, width = draw.boxes.unbind(1)
        self.images, self.source = images, rows % len(images)
        self.down = resample.Axis.of(top, height, images.shape[2], size)
        self.across = resample.Axis.of(left, width, images.shape[3], size, draw.flip)

    def __getitem__(self, part: slice) -> tuple[Tensor, Tensor, Tensor]:
        """Source images as float, and the weights of rows (which scale bytes) and columns."""
        x = self.images.index_select(0, self.source[part])
        down, across = self.down.weights(part), self.across.weights(part)
        if not x.is_floating_point():
            down.div_(255)
        return x.to(torch.float32), down, across


def exact(
    images: Tensor, draw: Draw, recipe: Recipe, chunk: int, mean: Sequence, std: Sequence
) -> Tensor:
    """Views by one operation after the other, (n, 3, S, S) for a draw of n.

    Views are worked on in the order of the place at which their hue is shifted, so that those
    that shift it at one place lie side by side and no view is computed twice.
    """
    place = draw.hue_place if max(recipe.jitter) > 0 else torch.full((len(draw),), 4)
    blurred = draw.sigma > 0
    # Blurred ones last in even groups and first in odd ones: fewer, longer runs of them.
    rows = torch.argsort(2 * place + (blurred ^ (place % 2 == 1)), stable=True)
    draw, place, blurred = draw[rows], place[rows].tolist(), blurred[rows].tolist()
    crops = _Crops(images, rows, draw, recipe.size)
    slots, offsets = blends(draw), colour.hue_offsets(draw.hue)
    blur = resample.Blur.of(draw.sigma, recipe.size, recipe.kernel_size)
    shift, scale = statistics(mean, std)
    result = torch.empty(len(draw), 3, recipe.size, recipe.size)
    work = torch.empty(min(chunk, len(draw)), *result.shape[1:])
    for part in _parts(len(draw), chunk):
        x = resample.apply(*crops[part], out=work[: part.stop - part.start])
        _jitter_(x, place[part], slots[:, :, part], offsets[part], bool(recipe.jitter[HUE]))
        gray = draw.gray[part].nonzero()[:, 0]
        if len(gray):
            x.index_copy_(0, gray, colour.luma(x.index_select(0, gray)).expand(-1, 3, -1, -1))
        for run in _runs(blurred[part]):
            weights = blur.weights(slice(part.start + run.start, part.start + run.stop))
            resample.apply(x[run], weights, weights, out=x[run])
        _finish_(x, draw.solarize[part], shift, scale)
        result.index_copy_(0, rows[part], x)
    return result


def _jitter_(x: Tensor, place: list[int], slots: Tensor, offsets: Tensor, shifts: bool) -> None:
    """Colour jitter in place; place: where the hue comes in the order (0-3), 4 for no jitter."""
    busy = sum(one < 4 for one in place)  # these come first
    for slot in range(4):
        for run in _runs([shifts and one == slot for one in place]):
            colour.shift_hue_(x[run], offsets[run])
        if slot < 3 and busy:
            colour.blend_(x[:busy], *slots[slot, :, :busy])


def blends(draw: Draw) -> Tensor:
    """(3, 3, n, 1, 1, 1): for the 1st, 2nd, 3rd operation but hue, what colour.blend_ takes."""
    operation = draw.but_hue
    factor = draw.factors.gather(1, operation)
    own, mean = (1 - factor) * (operation == SATURATION), (1 - factor) * (operation == CONTRAST)
    return torch.stack((factor, own, mean)).permute(2, 0, 1)[..., None, None, None].contiguous()


def affine(
    images: Tensor, draw: Draw, recipe: Recipe, chunk: int, mean: Sequence, std: Sequence
) -> Tensor:
    """Views by three products: rows and columns with the blur in them, then colours."""
    result = torch.empty(len(draw), 3, recipe.size**2)
    crops = _Crops(images, torch.arange(len(draw)), draw, recipe.size)
    blur = resample.Blur.of(draw.sigma, recipe.size, recipe.kernel_size)
    inside = ((0.0,) * 3, (1.0,) * 3) if recipe.solarize else (mean, std)
    gains, means, bias = colour_maps(draw, *inside)
    for part in _parts(len(draw), chunk):
        x, down, across = crops[part]
        add = torch.baddbmm(bias, means[part], average(x, down, across))
        run = (draw.sigma[part] > 0).nonzero()[:, 0]
        if len(run):
            weights = blur.weights(run + part.start)
            down.index_copy_(0, run, torch.bmm(weights, down.index_select(0, run)))
            across.index_copy_(0, run, torch.bmm(weights, across.index_select(0, run)))
        pixels = resample.apply(x, down, across).flatten(2)
        view = torch.baddbmm(add, gains[part], pixels, out=result[part])
        for channel, (low, unit) in enumerate(zip(*inside, strict=True)):
            view[:, channel].clamp_((0 - low) / unit, (1 - low) / unit)
        if recipe.solarize:
            square = view.unflatten(2, (recipe.size, -1))
            _finish_(square, draw.solarize[part], *statistics(mean, std))
    return result.unflatten(2, (recipe.size, -1))


def average(x: Tensor, down: Tensor, across: Tensor) -> Tensor:
    """Mean colour (n, 3, 1) of the crops without making them."""
    weights = down.sum(1)[:, :, None] * across.sum(1)[:, None] / (down.shape[1] * across.shape[1])
    return torch.bmm(weights.flatten(1)[:, None], x.flatten(2).transpose(1, 2)).transpose(1, 2)


def colour_maps(draw: Draw, mean: Sequence, std: Sequence) -> tuple[Tensor, Tensor, Tensor]:
    """The colour jitter as an affine map: gain (n, 3, 3), share of the mean (n, 3, 3), bias (3, 1).

    New pixel = gain @ pixel + share @ mean colour + bias, normalised by mean and std. An operation
    turns a pixel p of an image with mean m into L p + k G m, where G takes the gray; the mean
    itself goes the same way, which gives the recursion below.
    """
    device = draw.table.device
    shift, scale = (one[:, 0] for one in statistics(mean, std, device))
    one = torch.eye(3, device=device)
    gray = constant(colour.LUMA, device).expand(3, 3)
    bright, contrast, saturation = draw.factors[:, :, None, None].unbind(1)
    steps = (bright * one, contrast * one, saturation * one + (1 - saturation) * gray)
    steps = torch.stack((*steps, colour.chroma_matrix(draw.hue)), 1)  # (n, 4, 3, 3)
    steps = steps.gather(1, draw.order[:, :, None, None].expand_as(steps))
    blend = (1 - contrast) * (draw.order == CONTRAST)[:, :, None]  # (n, 4, 1)
    gain, share = one.expand(len(draw), 3, 3), torch.zeros(len(draw), 3, 3, device=device)
    for slot in range(4):
        step, weight = steps[:, slot], blend[:, slot, :, None]
        share = step @ share + weight * (gray @ (gain + share))
        gain = step @ gain
    to_gray = draw.gray[:, None, None]
    gain = torch.where(to_gray, gray @ gain, gain)
    share = torch.where(to_gray, gray @ share, share)
    return gain / scale, share / scale, -shift / scale


def _finish_(x: Tensor, solarized: Tensor, shift: Tensor, scale: Tensor) -> None:
    """Solarize the flagged views and normalise all of them, in place."""
    rows = solarized.nonzero()[:, 0]
    if len(rows):
        some = x.index_select(0, rows)
        x.index_copy_(0, rows, torch.where(some >= 0.5, 1 - some, some))
    x.sub_(shift).div_(scale)


def statistics(
    mean: Sequence, std: Sequence, device: torch.device | str = "cpu"
) -> tuple[Tensor, Tensor]:
    """Both as (3, 1, 1) tensors."""
    shift, scale = (constant(tuple(one), torch.device(device)) for one in (mean, std))
    return shift[:, None, None], scale[:, None, None]


def _parts(n: int, chunk: int) -> Iterator[slice]:
    return (slice(start, min(start + chunk, n)) for start in range(0, n, chunk))


def _runs(flags: list[bool]) -> Iterator[slice]:
    """The stretches of True."""
    start = None
    for i, flag in enumerate([*flags, False]):
        if flag and start is None:
            start = i
        elif not flag and start is not None:
            yield slice(start, i)
            start = None
