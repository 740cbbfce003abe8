"""Checks of the views' arguments, and the precision they are computed in."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from functools import partial

import torch
from torch import Tensor

from sslbook.errors import UsageError


def images(x: Tensor) -> None:
    """Refuse anything but a non-empty batch (B, 3, H, W) of floats or bytes."""
    given = f"{x.dtype} {tuple(x.shape)}" if isinstance(x, Tensor) else type(x).__name__
    if not isinstance(x, Tensor) or x.ndim != 4 or x.shape[1] != 3 or min(x.shape) == 0:
        raise UsageError(
            f"Expected a tensor of one image or more, (B, 3, H, W), got {given}.",
            todo="A single image needs x[None]; channels come before height and width.",
        )
    if not (x.is_floating_point() or x.dtype == torch.uint8):
        raise UsageError(f"Expected images as float in 0-1 or uint8, got {given}.")


def size(value: int, name: str = "size") -> None:
    """Refuse a side that is not a positive whole number of pixels."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise UsageError(f"Expected {name} as a whole number of pixels above 0, got {value!r}.")


def generator(value: torch.Generator) -> None:
    """Refuse the global generator and generators of another device than the CPU."""
    if not isinstance(value, torch.Generator) or value.device.type != "cpu":
        raise UsageError(
            "Views draw from a torch.Generator on the CPU, so that every device sees the same.",
            todo='Pass run.streams.torch("views", step) or torch.Generator().manual_seed(0).',
        )


@contextlib.contextmanager
def exact(device: torch.device) -> Iterator[None]:
    """No gradients, no autocast, and float32 products that are float32 (no TF32, no bf16)."""
    undo = _full_precision()
    try:
        with torch.no_grad(), torch.autocast(device.type, enabled=False):
            yield
    finally:
        for step in undo:
            step()


def _full_precision() -> list[Callable[[], None]]:
    """Ask for float32 products; what undoes it, usually nothing."""
    backends = torch.backends
    settings = (backends.cuda.matmul, getattr(backends.mkldnn, "matmul", None))
    settings = [one for one in settings if hasattr(one, "fp32_precision")]
    if not settings:  # torch before 2.9; since then the old switch may refuse to be read
        before = torch.get_float32_matmul_precision()
        torch.set_float32_matmul_precision("highest")
        return [partial(torch.set_float32_matmul_precision, before)]
    undo = []
    for one in settings:
        if one.fp32_precision not in ("ieee", "none"):
            undo.append(partial(setattr, one, "fp32_precision", one.fp32_precision))
            one.fp32_precision = "ieee"
    return undo
