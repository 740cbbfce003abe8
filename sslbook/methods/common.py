"""What the losses on two views share: checked input, unit rows, checked knobs."""

from __future__ import annotations

import math

from torch import Tensor

from sslbook.core.numerics import full_precision
from sslbook.errors import UsageError


def two_views(z1: Tensor, z2: Tensor, loss: str, least: int = 2) -> tuple[Tensor, Tensor]:
    """The two views' embeddings, checked: both (N, D), floating; half precision as float32.

    Raises UsageError, which names `loss`, for another shape, another type or fewer rows.
    """
    for z in (z1, z2):
        if not isinstance(z, Tensor) or not z.is_floating_point():
            kind = getattr(z, "dtype", type(z).__name__)
            raise UsageError(f"{loss} takes two floating-point tensors; one is {kind}.",
                             todo="Integers need .float() first.")
    if z1.ndim != 2 or z1.shape != z2.shape or z1.shape[1] < 1:
        raise UsageError(
            f"{loss} takes two tensors of one shape (N, D); "
            f"these are {tuple(z1.shape)} and {tuple(z2.shape)}.",
            todo="Row i of both must come from the same input; flatten anything larger.",
        )
    if len(z1) < least:
        raise UsageError(
            f"{loss} compares the rows of a batch; this batch has {len(z1)}.",
            todo=f"Use a batch of {least} or more, and drop a last batch that is smaller.",
        )
    return full_precision(z1), full_precision(z2)


def check_knob(value: float | Tensor, name: str, loss: str, *, zero: bool) -> None:
    """Raise UsageError unless `value` is finite and > 0 (or >= 0 with `zero`).

    A tensor is taken on trust: looking into it would stop a captured or compiled step.
    """
    if isinstance(value, Tensor):
        return
    if not math.isfinite(value) or value < 0 or (value == 0 and not zero):
        bound = "0 or more" if zero else "more than 0"
        raise UsageError(
            f"{loss} got {name}={value!r}; {name} must be a finite number, {bound}.",
            todo=f"Set {name} to {bound}.",
        )
