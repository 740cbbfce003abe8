"""T-JEPA: from some columns of a row, predict what the whole row says about the others.

H. Thimonier et al., "T-JEPA: Augmentation-Free Self-Supervised Learning for Tabular Data", ICLR
2025, arXiv 2410.05016; official repository jose-melo/t-jepa (written anew here).
"""

from __future__ import annotations

import torch
from torch import Tensor

from sslbook.core.numerics import full_precision
from sslbook.errors import UsageError

MOMENTUM = 0.996  # of the teacher, at the start (the official launch script)


def jepa_loss(predicted: Tensor, codes: Tensor, wanted: Tensor) -> Tensor:
    """Mean squared error of the predicted codes, a scalar without a unit.

    predicted: (P, B, J, D), a prediction per block, row and column. codes: (B, J, D), the
    teacher's, of the whole row; no gradient flows into them. wanted: truth values (P, B, J).

    L = mean over blocks and rows of [ the mean over the wanted columns of mean_d (p - c)^2 ]: each
    block counts the same, however many columns it has. What is not wanted has no part in it. 0
    where both are constant and equal: collapse is a global minimum, so watch the codes' spread.
    Raises UsageError for shapes that do not fit; an empty block counts 0.
    """
    shapes = tuple(predicted.shape), tuple(codes.shape), tuple(wanted.shape)
    fits = predicted.ndim == 4 and predicted.shape[1:] == codes.shape
    if not fits or predicted.shape[:3] != wanted.shape or wanted.dtype != torch.bool:
        raise UsageError(
            "jepa_loss takes predictions (P, B, J, D), codes (B, J, D) and truth values (P, B, J); "
            f"these are {shapes[0]}, {shapes[1]} and {shapes[2]} ({wanted.dtype}).",
        )
    error = full_precision(predicted) - full_precision(codes.detach())
    square = error.square().mean(dim=-1) * wanted  # (P, B, J)
    return (square.sum(dim=-1) / wanted.sum(dim=-1).clamp_min(1)).mean()


def predictor_input(codes: Tensor, seen: Tensor, token: Tensor, columns: Tensor) -> Tensor:
    """What the predictor reads, (B, J, I): the code of a seen column, else the mask token.

    codes: (B, J, I), context codes at the predictor's width. token: (I,), learned. columns: (J, I),
    learned names, added everywhere: without them all masked columns would look alike.
    """
    return torch.where(seen[..., None], codes, token) + columns


def residual(steps: int, momentum: float = MOMENTUM) -> float:
    """The share of its start that a teacher keeps after `steps` of constant momentum."""
    return momentum**steps
