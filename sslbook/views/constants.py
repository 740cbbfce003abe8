"""Small tables of numbers that stay on a device: each copy to one would stall it."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor


@cache
def constant(values: tuple, device: torch.device, dtype: torch.dtype | None = None) -> Tensor:
    """`values`, a tuple or a tuple of tuples, as a tensor on `device`; made once, never changed."""
    return torch.tensor(values, device=device, dtype=dtype)
