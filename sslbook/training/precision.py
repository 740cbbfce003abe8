"""Number formats: autocast for the backbone on a GPU, float32 for everything that is judged."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

_HALF = (torch.float16, torch.bfloat16)


def choose(device: torch.device) -> str:
    """"bf16" where the GPU has it in hardware, "fp16" on other CUDA devices, else "float32"."""
    if device.type != "cuda":
        return "float32"
    return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"


def autocast(device: torch.device, precision: str) -> contextlib.AbstractContextManager:
    """The context of a forward pass."""
    if precision == "float32":
        return contextlib.nullcontext()
    dtype = torch.bfloat16 if precision == "bf16" else torch.float16
    return torch.autocast(device.type, dtype=dtype)


@contextlib.contextmanager
def tuned(device: torch.device) -> Iterator[None]:
    """Let cuDNN try its kernels on the shapes of a step and keep the fastest (GPU only)."""
    before = torch.backends.cudnn.benchmark
    torch.backends.cudnn.benchmark = before or device.type == "cuda"
    try:
        yield
    finally:
        torch.backends.cudnn.benchmark = before


def in_float32(loss: Callable[..., Any], device: torch.device) -> Callable[..., Any]:
    """The same loss, called on float32 tensors with autocast off."""

    def called(*args: Any, **named: Any) -> Any:
        with torch.autocast(device.type, enabled=False):
            return loss(*map(_widen, args), **{k: _widen(v) for k, v in named.items()})

    return called


def _widen(value: Any) -> Any:
    return value.float() if isinstance(value, Tensor) and value.dtype in _HALF else value


def to_layout(batch: Any, device: torch.device) -> Any:
    """Tensors of a batch on the device; images (4-D) in channels_last, which conv nets prefer."""
    if isinstance(batch, Tensor):
        if batch.ndim == 4 and batch.is_floating_point():
            return batch.to(device, memory_format=torch.channels_last)
        return batch.to(device)
    if isinstance(batch, (tuple, list)):
        return type(batch)(to_layout(item, device) for item in batch)
    if isinstance(batch, dict):
        return {key: to_layout(value, device) for key, value in batch.items()}
    return batch
