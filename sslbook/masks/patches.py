"""Masks of patches: which parts of an image a network sees, and which it must guess."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from sslbook.errors import UsageError


def hidden_count(patches: int, ratio: float) -> int:
    """How many of `patches` a ratio in 0-1 hides: rounded, at least one hidden and one visible.

    The official code cuts patches * (1 - ratio) off instead, which rounding errors of floating
    point make one too few at times (100 patches at 0.9), or none at all (64 at 0.985).
    """
    if not 0 < ratio < 1 or patches < 2:
        raise UsageError(
            f"A mask of {patches} patches at ratio {ratio!r} hides all or nothing.",
            todo="Take two patches or more, and a ratio between 0 and 1, such as 0.75.",
        )
    return min(max(round(patches * ratio), 1), patches - 1)


@dataclass(frozen=True)
class RandomPatches:
    """One view of each image, and a random choice of its patches: a transform with two halves.

    augment: makes the view (`views.Augment` with one view). patches: L, patches of a view, the
    same for all. ratio: share of them that is hidden. Every image has its own permutation, the
    argsort of uniform noise, drawn on the CPU: no device has a part in it.

    Returns (x, visible, hidden): x (B, 3, S, S) normalised; visible (B, K) and hidden (B, L - K)
    int64, the numbers of the patches, row by row from the top left, in random order.
    Source: He et al. 2022 (arXiv 2111.06377), section 3; facebookresearch/mae, models_mae.py.
    """

    augment: Any
    patches: int
    ratio: float

    def __post_init__(self) -> None:
        hidden_count(self.patches, self.ratio)
        if len(self.augment.recipes) != 1:
            raise UsageError("RandomPatches takes an Augment that makes one view (views=1).")

    @property
    def visible(self) -> int:
        """K, the patches that stay visible."""
        return self.patches - hidden_count(self.patches, self.ratio)

    def __call__(self, images: Tensor, generator: torch.Generator) -> tuple[Tensor, ...]:
        return self.apply(images, self.draws(images.shape, [generator])[0])

    def draws(self, shape: Sequence[int], generators: Sequence[torch.Generator]) -> Tensor:
        """The numbers of several steps, one generator each: (steps, B, of the view's + L).

        shape: of the images of a step. The last L columns are the permutation, which float32
        holds exactly.
        """
        view = self.augment.draws(shape, generators)[:, 0]
        noise = [torch.rand(shape[0], self.patches, generator=one) for one in generators]
        return torch.cat((view, torch.stack(noise).argsort(dim=2).float()), 2)

    def apply(
        self, images: Tensor, numbers: Tensor, *, static: bool = False
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The view and the split that a step's numbers (B, ...) describe, on the images' device.

        static: as in `views.Augment.apply`; the split itself depends on shapes alone.
        """
        view, order = numbers[:, : -self.patches], numbers[:, -self.patches :]
        (x,) = self.augment.apply(images, view[None], static=static)
        order = order.to(x.device, torch.int64)
        return x, order[:, : self.visible], order[:, self.visible :]
