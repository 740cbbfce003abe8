"""Colour operations in place on (B, 3, H, W) float images in 0-1, one parameter per sample.

Written for few passes over memory and few kernel launches.
"""

from __future__ import annotations

import math
from functools import cache

import torch
from torch import Tensor

from sslbook.views.constants import constant

LUMA = (0.2989, 0.587, 0.114)  # what torchvision's rgb_to_grayscale uses
# NTSC's luma and two chroma axes (FCC 1953), as rows: YIQ = matrix @ RGB.
YIQ = ((0.299, 0.587, 0.114), (0.5959, -0.2746, -0.3213), (0.2115, -0.5227, 0.3112))


def luma(x: Tensor) -> Tensor:
    """The gray image (B, 1, H, W) of x (B, 3, H, W)."""
    weights = constant(LUMA, x.device, x.dtype).expand(len(x), 1, 3)
    return torch.bmm(weights, x.flatten(2)).view(-1, 1, *x.shape[2:])


def blend_(x: Tensor, factor: Tensor, own: Tensor, mean: Tensor) -> Tensor:
    """x <- clamp(factor * x + own * gray + mean * average(gray)), gray being x's own, in place.

    Brightness is (f, 0, 0), saturation (f, 1 - f, 0) and contrast (f, 0, 1 - f): one formula for
    the three lets every sample of a batch have its own operation. Parameters: (B, 1, 1, 1).
    """
    gray = luma(x)
    average = gray.sum((2, 3), keepdim=True).mul_(mean / gray[0].numel())
    return x.mul_(factor).add_(gray.mul_(own).add_(average)).clamp_(0, 1)


def hue_offsets(shift: Tensor) -> Tensor:
    """shift (B,) in turns -> (B, 3, 1, 1): what shift_hue_ adds to a hue for each channel.

    In sixths of a turn, less the channel's own hue (0, 2, 4), wrapped to within +-3.
    """
    offset = 6 * shift[:, None] - constant((0, 2, 4), shift.device)
    return (offset - 6 * torch.round(offset / 6))[:, :, None, None]


def shift_hue_(x: Tensor, offsets: Tensor) -> Tensor:
    """Shift the hue of the HSV hexcone, in place, without case distinctions.

    With h the hue in sixths of a turn, in (-3, 3]: |h| = 2 + (g + b - r - max) / chroma, and its
    sign is that of g - b. A channel's new value is min + chroma * clamp(2 - d, 0, 1), where d is
    the distance on the circle from the new hue to the channel's own.
    """
    red, green, blue = x.split(1, 1)
    high, low = x.amax(1, keepdim=True), x.amin(1, keepdim=True)
    hue = torch.add(green, blue).sub_(red).sub_(high)
    chroma = high.sub_(low).clamp_min_(1e-12)  # a gray pixel has none: any hue will do
    hue.div_(chroma).add_(2).copysign_(green - blue)
    base = low.sub_(chroma)
    # Hue + offset is within +-6, where d = 3 - ||hue + offset| - 3| needs no modulo, and
    # clamp(2 - d, 0, 1) = clamp(3 - d, 1, 2) - 1.
    torch.add(hue, offsets, out=x)
    return x.abs_().sub_(3).abs_().clamp_(1, 2).mul_(chroma).add_(base)


@cache
def _chroma_parts(device: torch.device, dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
    """(3, 3) parts of a chroma turn: matrix = still + cos * along + sin * across."""
    to_yiq = torch.tensor(YIQ, dtype=torch.float64)
    back = torch.linalg.inv(to_yiq)
    keep, plane, quarter = torch.zeros(3, 3, 3, dtype=torch.float64)
    keep[0, 0] = 1
    plane[1, 1] = plane[2, 2] = 1
    quarter[1, 2], quarter[2, 1] = 1, -1
    return tuple((back @ part @ to_yiq).to(device, dtype) for part in (keep, plane, quarter))


def chroma_matrix(turns: Tensor) -> Tensor:
    """(B, 3, 3): a rotation by `turns` (B,) of the plane of I and Q that keeps the luma Y.

    The sense is that of the HSV hue: a positive turn leads from red towards yellow.
    """
    still, along, across = _chroma_parts(turns.device, turns.dtype)
    angle = (2 * math.pi * turns)[:, None, None]
    return still + torch.cos(angle) * along + torch.sin(angle) * across
