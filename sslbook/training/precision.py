"""Number formats: autocast for the backbone on a GPU, float32 for everything that is judged."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

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


def image_layout(module: nn.Module, device: torch.device) -> torch.memory_format:
    """The memory format of weights and images: channels_last, which convolutions prefer.

    Contiguous for a net with a strided 1x1 convolution of fewer than 8 input channels on a CPU:
    torch 2.14 writes past its memory in the backward of one in channels_last (AVX2, one thread;
    pytorch#23825 and #136348 have the symptoms).
    """
    narrow = any(
        part.kernel_size == (1, 1) and max(part.stride) > 1 and part.in_channels < 8
        for part in module.modules()
        if isinstance(part, nn.Conv2d)
    )
    if narrow and device.type == "cpu":
        return torch.contiguous_format
    return torch.channels_last


def place(module: nn.Module, device: torch.device, name: str) -> nn.Module:
    """The module on the device, its weights in `image_layout`; a line where that is not usual."""
    layout = image_layout(module, device)
    if layout != torch.channels_last:
        print(f"{name}: plain memory layout, since a strided 1x1 convolution is under 8 wide")
    return module.to(device, memory_format=layout)


def to_layout(
    batch: Any, device: torch.device, layout: torch.memory_format = torch.channels_last
) -> Any:
    """Tensors of a batch on the device; images (4-D) in the given memory format."""
    def moved(x: Tensor) -> Tensor:
        image = x.ndim == 4 and x.is_floating_point()
        return x.to(device, memory_format=layout if image else torch.preserve_format)

    return pytree.tree_map_only(Tensor, moved, batch)
