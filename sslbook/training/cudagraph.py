"""A step as one CUDA graph: what stands in the way of it, and the capture itself.

A graph repeats the kernels it recorded, on the memory they used. Numbers that Python held while it
recorded are frozen in it, so a step that reads values back, or keeps count in plain attributes,
must not be captured. `Obstacles` finds that out while a step runs as usual, on any device.
"""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

_DEPENDS = {torch.Tag.data_dependent_output, torch.Tag.dynamic_output_shape}
_OWN = (str(Path(torch.__file__).parent), str(Path(__file__).parent))
_PLAIN = (bool, int, float, str)


def available(device: torch.device) -> str:
    """Why steps cannot be captured on this device, "" where they can."""
    return "" if device.type == "cuda" else "there is no CUDA device"


def capture(function: Callable[[], Any]) -> Callable[[], Any]:
    """Record one call of `function`, which does not run; what is returned replays it.

    Every replay returns the same tensors, refilled. Other threads may use the device meanwhile
    (the one that reads ahead does).
    """
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, capture_error_mode="thread_local"):
        out = function()

    def replay() -> Any:
        graph.replay()
        return out

    return replay


@contextlib.contextmanager
def aside(device: torch.device) -> Iterator[None]:
    """Run on a side stream, as the steps before a capture must."""
    if device.type != "cuda":
        yield
        return
    side = torch.cuda.Stream(device)
    side.wait_stream(torch.cuda.current_stream(device))
    with torch.cuda.stream(side):
        yield
    torch.cuda.current_stream(device).wait_stream(side)


class Obstacles(TorchDispatchMode):
    """Inside the block: notes what could not be captured. `found` is "" or says the first of it."""

    def __init__(self, module: nn.Module):
        super().__init__()
        self.module, self.found = module, ""

    def __enter__(self) -> Obstacles:
        self._before = _plain(self.module)
        return super().__enter__()

    def __exit__(self, *exception: Any) -> None:
        super().__exit__(*exception)
        after = _plain(self.module)
        changed = [key for key, value in after.items() if self._before.get(key, value) != value]
        if changed and not self.found:
            self.found = f"the module counts in the plain attribute {changed[0]} (use a buffer)"

    def __torch_dispatch__(
        self, operation: Any, _types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if not self.found and _reads_back(operation, args, kwargs):
            self.found = f"{_place()} reads a value on the host ({operation.overloadpacket})"
        return operation(*args, **kwargs)


def addresses(module: nn.Module) -> list[int]:
    """Where the weights and buffers lie: a graph goes on using these places."""
    return [t.data_ptr() for t in (*module.parameters(), *module.buffers())]


def _reads_back(operation: Any, args: tuple, kwargs: dict) -> bool:
    if _DEPENDS & set(operation.tags):
        chosen = args[1] if operation.overloadpacket == torch.ops.aten.index else None
        masks = (torch.bool, torch.uint8)
        return chosen is None or any(i is not None and i.dtype in masks for i in chosen)
    if operation.overloadpacket in (torch.ops.aten._to_copy, torch.ops.aten.copy_):
        sides = {one.device.type for one in args if isinstance(one, Tensor)}
        to = kwargs.get("device")
        return len(sides | ({torch.device(to).type} if to is not None else set())) > 1
    return False


def _place() -> str:
    """The function outside torch and this folder that is running, innermost first."""
    for frame in reversed(traceback.extract_stack()):
        if not frame.filename.startswith(_OWN):
            return frame.name
    return "the step"


def _plain(module: nn.Module) -> dict[str, Any]:
    return {
        f"{name}.{key}".removeprefix("."): value
        for name, part in module.named_modules()
        for key, value in vars(part).items()
        if isinstance(value, _PLAIN)
    }
