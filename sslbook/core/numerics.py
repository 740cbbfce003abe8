"""Numerics that losses and probes share: full precision, rows of length one."""

from __future__ import annotations

import torch
from torch import Tensor


def full_precision(z: Tensor) -> Tensor:
    """`z` in float32 when it is of half precision, else as it is."""
    return z.float() if z.dtype in (torch.float16, torch.bfloat16) else z


def unit_rows(z: Tensor) -> Tensor:
    """Each row of z (N, D) divided by its length.

    A row of zeros has no direction: it stays zero and gets a zero gradient. (Dividing by
    max(length, 1e-12) instead would hand it a gradient about 1e12 times too large.)
    """
    square = z.square().sum(dim=1, keepdim=True)  # (N, 1)
    return z * safe_rsqrt(square)


def safe_rsqrt(square: Tensor) -> Tensor:
    """1 / sqrt(square), and 0 with a zero gradient where `square` is zero or subnormal."""
    alive = square > torch.finfo(square.dtype).tiny
    # The inner `where` keeps the derivative of rsqrt at 0, an infinity, out of the backward pass.
    return torch.where(alive, square, 1.0).rsqrt() * alive
