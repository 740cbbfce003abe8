"""What a CUDA graph does, on a CPU: record the operations of a call, then repeat them alone.

Python does not run in a replay: numbers that it held while recording are frozen, and every tensor
is recomputed into the memory it had. What would go wrong in a graph goes wrong here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode


class _Recorder(TorchDispatchMode):
    def __init__(self):
        super().__init__()
        self.tape: list[tuple] = []

    def __torch_dispatch__(self, operation, _types, args=(), kwargs=None):
        result = operation(*args, **(kwargs or {}))
        self.tape.append((operation, args, kwargs or {}, result))
        return result


def capture(function: Callable[[], Any]) -> Callable[[], Any]:
    """Stands in for sslbook.training.cudagraph.capture; the call itself is the first replay."""
    recorder = _Recorder()
    with recorder:
        out = function()
    ran = [True]

    @torch.no_grad()
    def replay() -> Any:
        if ran:
            ran.clear()
            return out
        for operation, args, kwargs, old in recorder.tape:
            new = operation(*args, **kwargs)
            for place, value in zip(pytree.tree_leaves(old), pytree.tree_leaves(new), strict=True):
                if isinstance(place, Tensor) and place.data_ptr() != value.data_ptr():
                    place.copy_(value)
        return out

    return replay
