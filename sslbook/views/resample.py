"""Cropping, resizing, flipping and blurring as products with small matrices, one per sample.

A bilinear resize, a horizontal flip and a Gaussian blur are each linear along every axis: the view
is `rows @ image @ columns.T`. Per-sample parameters then cost nothing extra, and the products run
at the speed of the matrix unit. `grid_sample` is slower here and has no antialiasing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

FAR = 1e6  # a distance in pixels at which every weight is 0


@dataclass(frozen=True)
class Axis:
    """One axis of a batch of crops: which source pixels make which output pixel.

    pixel: (B, 1, size_in) positions from the box's first pixel; centre: (B, size_out, 1) of the
    outputs in the same measure (which is small, so rounding errors are too); reach: (B, 1, 1)
    source pixels an output looks to either side, None where nothing shrinks.
    """

    pixel: Tensor
    centre: Tensor
    reach: Tensor | None

    @classmethod
    def of(
        cls, start: Tensor, extent: Tensor, size_in: int, size_out: int, flip: Tensor | None = None
    ) -> Axis:
        """start, extent: (B,) the box along this axis in pixels. flip: (B,) bool or None."""
        start, extent = start[:, None], extent[:, None]
        steps = torch.arange(size_out, dtype=start.dtype, device=start.device) + 0.5
        if flip is not None:
            steps = torch.where(flip[:, None], size_out - steps, steps)
        scale = extent / size_out
        centre = steps * scale - 0.5
        pixel = torch.arange(size_in, dtype=start.dtype, device=start.device) - start
        reach = None
        if size_in <= size_out:  # two neighbours each; the border of the box is repeated
            centre = torch.minimum(centre.clamp_min_(0), extent - 1)
        else:
            pixel = torch.where((pixel >= 0) & (pixel < extent), pixel, FAR)
            reach = scale.clamp_min(1)[:, :, None]
        return cls(pixel[:, None], centre[:, :, None], reach)

    def weights(self, part: slice = slice(None)) -> Tensor:
        """(b, size_out, size_in): triangles around the centres, cut at the box, of sum 1.

        What torch's interpolate(antialias=True, mode="bilinear") does to the cropped image.
        """
        distance = torch.sub(self.pixel[part], self.centre[part]).abs_()
        if self.reach is None:
            return torch.sub(1, distance, out=distance).clamp_min_(0)
        weights = torch.sub(self.reach[part], distance, out=distance).clamp_min_(0)
        return weights.div_(weights.sum(2, keepdim=True))


@dataclass(frozen=True)
class Blur:
    """Gaussian blurs of one axis with reflected borders, one per sample.

    kernel: (B, kernel_size); taps: (kernel_size, size * size) 0 or 1, the source of each tap.
    """

    kernel: Tensor
    taps: Tensor

    @classmethod
    def of(cls, sigma: Tensor, size: int, kernel_size: int) -> Blur:
        """sigma: (B,) standard deviation in pixels; 0 leaves the axis as it is."""
        radius = kernel_size // 2
        steps = torch.arange(-radius, radius + 1, dtype=sigma.dtype, device=sigma.device)
        kernel = torch.exp(-0.5 * (steps / sigma.clamp_min(1e-6)[:, None]) ** 2)
        source = torch.arange(-radius, size + radius, device=sigma.device).abs()
        source = (size - 1) - ((size - 1) - source).abs()  # reflected, the edge not repeated
        taps = torch.eye(size, dtype=sigma.dtype, device=sigma.device)[source]
        taps = taps.unfold(0, size, 1).transpose(1, 2).reshape(kernel_size, -1)
        return cls(kernel / kernel.sum(1, keepdim=True), taps)

    def weights(self, part: slice | Tensor = slice(None)) -> Tensor:
        """(b, size, size): weights of the source pixels of each output pixel."""
        size = math.isqrt(self.taps.shape[1])
        return (self.kernel[part] @ self.taps).view(-1, size, size)


def apply(x: Tensor, rows: Tensor, columns: Tensor, out: Tensor | None = None) -> Tensor:
    """rows @ x @ columns.T per sample: (B, 3, H, W), (B, P, H), (B, Q, W) -> (B, 3, P, Q).

    out: a contiguous tensor for the result, which may be x.
    """
    batch, channels, height, width = x.shape
    wide = torch.bmm(x.reshape(batch, channels * height, width), columns.transpose(1, 2))
    wide = wide.view(batch * channels, height, -1)
    rows = rows[:, None].expand(-1, channels, -1, -1).reshape(batch * channels, -1, height)
    if out is None:
        out = x.new_empty(batch, channels, rows.shape[1], wide.shape[2])
    torch.bmm(rows, wide, out=out.flatten(0, 1))
    return out
