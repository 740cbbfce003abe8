"""Sampled augmentation parameters, one row per view."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import torch
from torch import Tensor

from sslbook.views.constants import constant

BRIGHTNESS, CONTRAST, SATURATION, HUE = range(4)
ORDERS = tuple(itertools.permutations(range(4)))
_BUT_HUE = tuple(tuple(one for one in order if one != HUE) for order in ORDERS)
_HUE_PLACE = tuple(order.index(HUE) for order in ORDERS)


@dataclass(frozen=True)
class Draw:
    """The parameters of n views, one row each.

    table: (n, 14) float32, on any device. Read it by its properties, all of shape (n,) unless said
    otherwise.
    """

    table: Tensor

    def __len__(self) -> int:
        return len(self.table)

    def __getitem__(self, rows: slice | Tensor) -> Draw:
        return Draw(self.table[rows])

    @property
    def boxes(self) -> Tensor:
        """(n, 4): top, left, height, width of the crop in pixels."""
        return self.table[:, 0:4]

    @property
    def flip(self) -> Tensor:
        """Bool: mirrored left to right."""
        return self.table[:, 4] > 0

    @property
    def jitter(self) -> Tensor:
        """Bool: colours jittered. Where not, the factors are 1 and the hue is 0."""
        return self.table[:, 5] > 0

    @property
    def factors(self) -> Tensor:
        """(n, 3): factors of brightness, contrast, saturation."""
        return self.table[:, 6:9]

    @property
    def hue(self) -> Tensor:
        """Shift of the hue (or rotation of the chroma) in turns."""
        return self.table[:, 9]

    @property
    def order(self) -> Tensor:
        """(n, 4) int64: 0 brightness, 1 contrast, 2 saturation, 3 hue, in the order applied."""
        return self._of_order(ORDERS)

    @property
    def but_hue(self) -> Tensor:
        """(n, 3) int64: the order without the hue."""
        return self._of_order(_BUT_HUE)

    @property
    def hue_place(self) -> Tensor:
        """Int64: the hue's place in the order, 0-3; 4 where colours are not jittered."""
        return torch.where(self.jitter, self._of_order(_HUE_PLACE), 4)

    def _of_order(self, table: tuple) -> Tensor:
        return constant(table, self.table.device)[self.table[:, 10].long()]

    @property
    def gray(self) -> Tensor:
        """Bool: turned gray."""
        return self.table[:, 11] > 0

    @property
    def sigma(self) -> Tensor:
        """Standard deviation of the blur in output pixels; 0 where there is none."""
        return self.table[:, 12]

    @property
    def solarize(self) -> Tensor:
        """Bool: pixels from 0.5 on inverted."""
        return self.table[:, 13] > 0
