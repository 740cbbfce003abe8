"""The single operations, batched, with one parameter per sample.

x is (B, 3, H, W), float, in 0-1, on any device; the result is a new tensor of the same type.
Parameters are tensors (B,) (a plain number serves all samples). Values of x outside 0-1 are not
looked for. Nothing here is differentiable: a view is data. A wrong shape or type is a UsageError.
Except for the chroma rotation, torchvision.transforms.functional on float images is the oracle.
"""

from __future__ import annotations

import torch
from torch import Tensor

from sslbook.views import checks, colour, resample


def crop_resize(x: Tensor, boxes: Tensor, size: int, flip: Tensor | None = None) -> Tensor:
    """Crop each image to its box and resize it to (B, 3, size, size), bilinear and antialiased.

    boxes: (B, 4) as top, left, height, width in whole pixels. flip: (B,) bool, mirrors left and
    right. Equals torchvision's resized_crop(antialias=True), then hflip.
    """
    checks.images(x)
    checks.size(size)
    boxes = checks.boxes(boxes, x)
    if flip is not None:
        flip = checks.column(flip, x, "flip") > 0
    with checks.exact(x.device):
        top, left, height, width = boxes.unbind(1)
        rows = resample.Axis.of(top, height, x.shape[2], size)
        columns = resample.Axis.of(left, width, x.shape[3], size, flip)
        return resample.apply(x, rows.weights(), columns.weights())


def adjust_brightness(x: Tensor, factor: Tensor | float) -> Tensor:
    """Scale the pixels: 0 is black, 1 the image itself. factor: (B,), at least 0."""
    checks.images(x)
    factor = checks.column(factor, x, "factor")
    with checks.exact(x.device):
        return colour.blend_(x.clone(), colour.per_image(factor))


def adjust_contrast(x: Tensor, factor: Tensor | float) -> Tensor:
    """Blend with the mean of the gray image: 0 is flat, 1 the image itself. factor: (B,)."""
    checks.images(x)
    factor = checks.column(factor, x, "factor")
    with checks.exact(x.device):
        factor = colour.per_image(factor)
        return colour.blend_(x.clone(), factor, mean=1 - factor)


def adjust_saturation(x: Tensor, factor: Tensor | float) -> Tensor:
    """Blend with the gray image: 0 is gray, 1 the image itself. factor: (B,)."""
    checks.images(x)
    factor = checks.column(factor, x, "factor")
    with checks.exact(x.device):
        factor = colour.per_image(factor)
        return colour.blend_(x.clone(), factor, own=1 - factor)


def adjust_hue(x: Tensor, shift: Tensor | float) -> Tensor:
    """Turn the hue in HSV by `shift` (B,) turns; 0 and 1 are the image itself."""
    checks.images(x)
    shift = checks.column(shift, x, "shift")
    with checks.exact(x.device):
        return colour.shift_hue_(x.clone(), colour.hue_offsets(shift))


def rotate_chroma(x: Tensor, turns: Tensor | float) -> Tensor:
    """Rotate the chroma plane of YIQ by `turns` (B,) turns, then clamp to 0-1.

    This is not the HSV hue: the luma stays and saturation may clip. It is one 3x3 matrix per
    sample, which makes a whole colour jitter one affine map (see Augment).
    """
    checks.images(x)
    turns = checks.column(turns, x, "turns")
    with checks.exact(x.device):
        return torch.bmm(colour.chroma_matrix(turns), x.flatten(2)).view(x.shape).clamp_(0, 1)


def grayscale(x: Tensor) -> Tensor:
    """The gray image, repeated in all three channels."""
    checks.images(x)
    with checks.exact(x.device):
        return colour.luma(x).repeat(1, 3, 1, 1)


def gaussian_blur(x: Tensor, sigma: Tensor | float, kernel_size: int) -> Tensor:
    """Blur by a Gaussian of standard deviation `sigma` (B,) pixels, borders reflected.

    kernel_size: odd number of pixels. sigma 0 leaves the image as it is.
    """
    checks.images(x)
    checks.kernel(kernel_size, *x.shape[2:])
    sigma = checks.column(sigma, x, "sigma")
    with checks.exact(x.device):
        rows, columns = (resample.Blur.of(sigma, n, kernel_size) for n in x.shape[2:])
        return resample.apply(x, rows.weights(), columns.weights())


def solarize(x: Tensor, threshold: Tensor | float = 0.5) -> Tensor:
    """Invert the pixels that are at least `threshold` (B,)."""
    checks.images(x)
    threshold = colour.per_image(checks.column(threshold, x, "threshold"))
    return torch.where(x.detach() >= threshold, 1 - x.detach(), x.detach())
