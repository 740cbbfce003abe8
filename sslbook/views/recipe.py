"""Augmentation recipes: ranges and probabilities, and how parameters are sampled from them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from sslbook.errors import UsageError
from sslbook.views import checks
from sslbook.views.draw import ORDERS, Draw

TRIES = 10  # boxes drawn before RandomResizedCrop falls back to the centre
BOX_NUMBERS = 2 * TRIES + 2
NUMBERS = BOX_NUMBERS + 11  # uniform numbers per view, the same for every recipe


def _boxes(u: Tensor, height: int, width: int, scale: tuple, ratio: tuple) -> Tensor:
    """Boxes (n, 4) as top, left, height, width in pixels, by RandomResizedCrop's law.

    u: uniform numbers (n, BOX_NUMBERS). scale: range of the box's share of the image's area, drawn
    uniformly. ratio: range of width / height, drawn uniformly in its logarithm. A box that does not
    fit is drawn again, up to ten times; then the centre is cut, as large as the ratio allows.
    Source: GoogLeNet (arXiv:1409.4842, sec. 6) as written down in torchvision.
    """
    area = height * width * (scale[0] + (scale[1] - scale[0]) * u[:, :TRIES])
    low, high = math.log(ratio[0]), math.log(ratio[1])
    root = torch.exp((low + (high - low) * u[:, TRIES : 2 * TRIES]) / 2)  # sqrt(width / height)
    side = area.sqrt()
    tall, wide = torch.round(side / root), torch.round(side * root)
    fits = (tall > 0) & (tall <= height) & (wide > 0) & (wide <= width)
    first = fits.to(torch.uint8).argmax(1, keepdim=True)  # the first that fits
    tall, wide = tall.gather(1, first)[:, 0], wide.gather(1, first)[:, 0]
    room = torch.stack((height - tall, width - wide), 1)
    # The minimum guards against u * (room + 1) rounding up to room + 1.
    corner = torch.minimum(torch.floor(u[:, -2:] * (room + 1)), room)
    boxes = torch.stack((corner[:, 0], corner[:, 1], tall, wide), 1)
    return torch.where(
        fits.any(1, keepdim=True), boxes, boxes.new_tensor(_centre(height, width, ratio))
    )


def _centre(height: int, width: int, ratio: tuple) -> tuple[int, int, int, int]:
    """The largest centred box whose ratio lies in the range."""
    tall, wide = height, width
    if width / height < ratio[0]:
        tall = max(round(width / ratio[0]), 1)
    elif width / height > ratio[1]:
        wide = max(round(height * ratio[1]), 1)
    return (height - tall) // 2, (width - wide) // 2, tall, wide


@dataclass(frozen=True)
class Recipe:
    """How one view is made. Applied in this order; probabilities and ranges are per image.

    size: side of the view in pixels. crop, ratio: ranges of the crop's area share and of its
    width / height. flip: probability. jitter: strengths of brightness, contrast, saturation
    (factors from 1 - s to 1 + s, not below 0) and hue (turns from -s to s, at most 0.5), applied
    with probability jitter_p in a random order. hue: "hsv" (torchvision's) or "chroma" (a
    rotation in YIQ: another augmentation and a faster one, see Augment). gray, blur, solarize:
    probabilities. blur_sigma: range in pixels; the kernel is a tenth of the size, as in SimCLR.
    """

    size: int = 32
    crop: tuple[float, float] = (0.08, 1.0)
    ratio: tuple[float, float] = (3 / 4, 4 / 3)
    flip: float = 0.5
    jitter: tuple[float, float, float, float] = (0.4, 0.4, 0.4, 0.1)
    jitter_p: float = 0.8
    hue: str = "hsv"
    gray: float = 0.2
    blur: float = 0.0
    blur_sigma: tuple[float, float] = (0.1, 2.0)
    solarize: float = 0.0

    def __post_init__(self) -> None:
        checks.size(self.size)
        _span("crop", self.crop, 0.0, 1.0)
        _span("ratio", self.ratio, 0.0, math.inf)
        _span("blur_sigma", self.blur_sigma, 0.0, math.inf)
        for name in ("flip", "jitter_p", "gray", "blur", "solarize"):
            value = getattr(self, name)
            if not isinstance(value, (int, float)) or not 0 <= value <= 1:
                raise UsageError(f"{name} is a probability from 0 to 1, got {value!r}.")
        if not _numbers(self.jitter, 4) or min(self.jitter) < 0 or self.jitter[3] > 0.5:
            raise UsageError(
                f"jitter is four strengths from 0 up, the last at most 0.5, got {self.jitter!r}.",
                todo="They are brightness, contrast, saturation, hue: (0.4, 0.4, 0.4, 0.1).",
            )
        if self.hue not in ("hsv", "chroma"):
            raise UsageError(f'hue is "hsv" or "chroma", got {self.hue!r}.')
        if self.blur > 0 and self.size < 2:
            raise UsageError("A view of one pixel cannot be blurred.", todo="Use blur=0.")
        for name in ("crop", "ratio", "jitter", "blur_sigma"):  # lists would not hash
            object.__setattr__(self, name, tuple(getattr(self, name)))

    @property
    def kernel_size(self) -> int:
        """Side of the blur kernel: a tenth of the size, made odd, at least 3 (SimCLR's code)."""
        return max(2 * (self.size // 20) + 1, 3)

    @classmethod
    def simclr(
        cls, size: int = 32, strength: float = 0.5, blur: float = 0.0, hue: str = "hsv"
    ) -> Recipe:
        """SimCLR (arXiv:2002.05709, app. A). CIFAR: strength 0.5, no blur; ImageNet: 1, 0.5."""
        jitter = (0.8 * strength, 0.8 * strength, 0.8 * strength, 0.2 * strength)
        return cls(size=size, jitter=jitter, blur=blur, hue=hue)

    @classmethod
    def shapes(cls, size: int = 32) -> Recipe:
        """For the drawn shapes: only the outline survives. Tuned on a part of the training set."""
        return cls(size=size, crop=(0.6, 1.0), jitter=(0.4, 0.4, 0.4, 0.5), jitter_p=0.9, gray=0.7,
                   hue="chroma")

    @classmethod
    def byol(cls, size: int = 32, hue: str = "hsv") -> tuple[Recipe, Recipe]:
        """BYOL's two unequal views (arXiv:2006.07733, app. B), also those of Barlow Twins."""
        jitter = (0.4, 0.4, 0.2, 0.1)
        first = cls(size=size, jitter=jitter, hue=hue, blur=1.0)
        return first, cls(size=size, jitter=jitter, hue=hue, blur=0.1, solarize=0.2)

    def draw(self, u: Tensor, height: int, width: int) -> Draw:
        """The parameters of n views of images of height x width from uniform numbers (n, NUMBERS).

        Each has its own columns: switching one operation off leaves the others' draws as they are.
        """
        boxes = _boxes(u[:, :BOX_NUMBERS], height, width, self.crop, self.ratio)
        u = u[:, BOX_NUMBERS:]
        jitter = (u[:, 1:2] < self.jitter_p).float()
        strength = u.new_tensor(self.jitter)
        low = torch.cat(((1 - strength[:3]).clamp_min(0), -strength[3:]))
        high = torch.cat((1 + strength[:3], strength[3:]))
        still = u.new_tensor((1, 1, 1, 0))
        colours = still + jitter * (low + (high - low) * u[:, 2:6] - still)
        order = torch.floor(u[:, 6:7] * len(ORDERS)).clamp_max(len(ORDERS) - 1)
        low, high = self.blur_sigma
        sigma = (u[:, 8:9] < self.blur) * (low + (high - low) * u[:, 9:10])
        flip, gray, solarize = (
            u[:, 0:1] < self.flip,
            u[:, 7:8] < self.gray,
            u[:, 10:] < self.solarize,
        )
        return Draw(torch.cat((boxes, flip, jitter, colours, order, gray, sigma, solarize), 1))


def _span(name: str, value: tuple[float, float], low: float, high: float) -> None:
    """Refuse anything but low < value[0] <= value[1] <= high."""
    if not _numbers(value, 2) or not low < value[0] <= value[1] <= high:
        raise UsageError(
            f"{name} is a range (from, to) above {low:g} and up to {high:g}, got {value!r}."
        )


def _numbers(value: object, n: int) -> bool:
    """Whether value is a tuple or list of n numbers."""
    return (
        isinstance(value, (tuple, list))
        and len(value) == n
        and all(isinstance(one, (int, float)) for one in value)
    )
