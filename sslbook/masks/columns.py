"""Masks of columns: which parts of a row are seen, and which are predicted."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from sslbook.errors import UsageError

Range = tuple[float, float]


def column_masks(
    rows: int, columns: int, context: Range, target: Range, blocks: int,
    generator: torch.Generator,
) -> tuple[Tensor, Tensor]:
    """(seen, wanted): truth values (B, J) and (blocks, B, J) over the columns of each row.

    Every row has its own context, whose size is drawn evenly from the shares `context` of J, and
    `blocks` targets, with sizes from the shares `target`, drawn from what the context leaves: no
    target overlaps the context, targets may overlap each other. None is empty.
    Source: Thimonier et al. 2025 (arXiv 2410.05016); jose-melo/t-jepa, src/mask.py, with
    allow_overlap off. Raises UsageError for fewer than 8 columns, where the ranges collapse.
    """
    (c_low, c_high), (t_low, t_high) = (_counts(columns, shares) for shares in (context, target))
    if columns < 8 or c_high >= columns:
        raise UsageError(f"{columns} columns cannot be split by the shares {context} and {target}.",
                         "", "Take a table of 8 columns or more, and a smaller context.")

    def ranks(*first: int) -> Tensor:  # a random order of the columns, by their places in it
        return torch.rand(*first, rows, columns, generator=generator).argsort(-1).argsort(-1)

    size = torch.randint(c_low, c_high + 1, (rows, 1), generator=generator)
    seen = ranks() < size
    wanted = torch.randint(t_low, t_high + 1, (blocks, rows, 1), generator=generator)
    order = (ranks(blocks) + columns * seen).argsort(-1).argsort(-1)  # the context comes last
    return seen, order < torch.minimum(wanted, columns - size)


def _counts(columns: int, shares: Range) -> tuple[int, int]:
    """The smallest and the largest number of columns, at least one."""
    low = max(1, math.ceil(shares[0] * columns))
    return low, max(low, math.floor(shares[1] * columns))
