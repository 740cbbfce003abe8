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

    predicted: (B, J, D), a prediction per row and column, or (P, B, J, D), one per target set.
    codes: (B, J, D), the teacher's, of the whole row; no gradient flows into them. wanted: truth
    values (B, J) or (P, B, J).

    L = mean over rows and sets of [ the mean over the wanted columns of mean_d (p - c)^2 ]: each
    set counts the same, however many columns it has. What is not wanted has no part in it. 0
    where both are constant and equal: collapse is a global minimum, so watch the codes' spread.
    Raises UsageError for shapes that do not fit; an empty set counts 0.
    """
    shapes = tuple(predicted.shape), tuple(codes.shape), tuple(wanted.shape)
    fits = predicted.ndim in (3, 4) and codes.ndim == 3 and predicted.shape[-3:] == codes.shape
    if not fits or predicted.shape[:-1] != wanted.shape or wanted.dtype != torch.bool:
        raise UsageError(
            "jepa_loss takes predictions (P, B, J, D), codes (B, J, D) and truth values (P, B, J), "
            "or all without P; "
            f"these are {shapes[0]}, {shapes[1]} and {shapes[2]} ({wanted.dtype}).",
        )
    error = full_precision(predicted) - full_precision(codes.detach())
    square = error.square().mean(dim=-1) * wanted  # (P, B, J)
    return (square.sum(dim=-1) / wanted.sum(dim=-1).clamp_min(1)).mean()


def standardised(codes: Tensor, floor: float = 0.05) -> Tensor:
    """Codes (B, J, D), each number with mean 0 over the rows, divided by its deviation plus floor.

    What a code says of its column alone is the same in all rows, and gone. floor: keeps numbers
    that hardly vary from being blown up. This book's addition: the official code predicts the
    codes as they are. Raises UsageError for another shape or for a floor that is not positive.
    """
    if codes.ndim != 3 or not floor > 0:
        raise UsageError(f"standardised takes codes (B, J, D) and a floor above 0, not "
                         f"{tuple(codes.shape)} and {floor}.")
    codes = full_precision(codes)
    return (codes - codes.mean(dim=0)) / (codes.std(dim=0, correction=0) + floor)


def predictor_input(codes: Tensor, seen: Tensor, token: Tensor, columns: Tensor) -> Tensor:
    """What the predictor reads, (B, J, I): the code of a seen column, else the mask token.

    codes: (B, J, I), context codes at the predictor's width. token: (I,), learned. columns: (J, I),
    learned names, added everywhere: without them all masked columns would look alike.
    """
    return torch.where(seen[..., None], codes, token) + columns


def residual(steps: int, momentum: float = MOMENTUM) -> float:
    """The share of its start that a teacher keeps after `steps` of constant momentum."""
    return momentum**steps
