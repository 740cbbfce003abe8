"""Steps as one CUDA graph: what stands in the way of it, the capture, and the step that replays.

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
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

from sslbook.training import precision
from sslbook.training.step import Step

_WARM = 3  # steps that a device gets before a capture, to choose its kernels; the last is inspected
_DEPENDS = {torch.Tag.data_dependent_output, torch.Tag.dynamic_output_shape}
_OWN = (str(Path(torch.__file__).parent), str(Path(__file__).parent))
_PLAIN = (bool, int, float, str)


class CapturedStep(Step):
    """A step that is captured after three and then replayed; eager where that cannot be.

    The graph holds views, forward and backward and, with a fused optimiser and without a scaler,
    the update too. It repeats the launches of one step on the same memory: rows and random numbers
    are copied into place before, the learning rate is a tensor, and a schedule of the loss (a
    temperature, say) lives in a buffer that an `after_step` hook fills.
    """

    mode = "graph"

    def __init__(self, *arguments: Any):
        super().__init__(*arguments)
        self._captures_update = self.config.fused and not self.scaler.is_enabled()
        self._rate = torch.zeros((), device=self.device)
        self._warm, self._replay = 0, None

    def __call__(self, number: int, rate: float) -> dict[str, Any]:
        if self.mode == "graph":
            inputs = self.batches.inputs(number)
            self.set_rate(self._rate.fill_(rate) if self._captures_update else rate)
            if self._warm == _WARM:
                self._prepare(inputs)
        if self.mode == "eager":
            return super().__call__(number, rate)
        out = self._warm_up(inputs) if self._warm < _WARM else self._repeat(inputs)
        # A replay refills its tensors, so the loss of this step is copied.
        return {**out, "loss": out["loss"].clone()}

    def _compute(self, inputs: Any, update: bool) -> dict[str, Any]:
        """Batch, forward and backward by launches that depend on shapes alone, and the update."""
        made = self.batches.make(inputs, static=True)
        out = self.forward(precision.to_layout(made, self.device, self.layout))
        self.backward(out["loss"])
        if update:
            self._optimizer_step()
        return pytree.tree_map_only(Tensor, Tensor.detach, out)

    def _warm_up(self, inputs: Any) -> dict[str, Any]:
        self._warm += 1
        last = self._warm == _WARM
        obstacles = Obstacles(self.module)
        with side_stream(self.device):
            with obstacles if last else contextlib.nullcontext():
                out = self._compute(inputs, update=False)
            self._optimizer_step()
        if obstacles.found:
            self._become_eager(obstacles.found)
        return out

    def _prepare(self, inputs: Any) -> None:
        """Capture a step on copies of its inputs, or look whether the graph does for these."""
        if self._replay is not None:
            if not self._fits(inputs):
                self._become_eager("a batch has another shape, or a weight was replaced, "
                                   "not changed")
            return
        copies = pytree.tree_map_only(Tensor, Tensor.clone, inputs)
        self._places, self._pointers = pytree.tree_leaves(copies), pointers(self.module)
        try:
            self._replay = capture(lambda: self._compute(copies, update=self._captures_update))
        except RuntimeError as error:
            self._become_eager(f"the capture failed ({str(error).splitlines()[0][:80]})")

    def _repeat(self, inputs: Any) -> dict[str, Any]:
        for place, value in zip(self._places, pytree.tree_leaves(inputs), strict=True):
            if isinstance(place, Tensor) and place is not value:
                place.copy_(value, non_blocking=True)
        out = self._replay()
        if not self._captures_update:
            self._optimizer_step()
        return out

    def _fits(self, inputs: Any) -> bool:
        """Whether a replay does for these inputs what a step would."""
        leaves = pytree.tree_leaves(inputs)
        if len(leaves) != len(self._places) or pointers(self.module) != self._pointers:
            return False
        return all(
            isinstance(old, Tensor) and new.shape == old.shape if isinstance(new, Tensor)
            else new is old  # anything else is frozen in the graph
            for new, old in zip(leaves, self._places, strict=True)
        )

    def _become_eager(self, reason: str) -> None:
        self.mode, self.reason, self._replay = "eager", reason, None


def unavailable(device: torch.device, batches: Any) -> str:
    """Why steps cannot be captured, "" where they can."""
    if device.type != "cuda":
        return "there is no CUDA device"
    return "" if hasattr(batches, "inputs") else "these batches have no inputs to copy into place"


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
def side_stream(device: torch.device) -> Iterator[None]:
    """Run on a side stream, as the steps before a capture must."""
    if device.type != "cuda":
        yield
        return
    side = torch.cuda.Stream(device)
    side.wait_stream(torch.cuda.current_stream(device))
    with torch.cuda.stream(side):
        yield
    torch.cuda.current_stream(device).wait_stream(side)


def pointers(module: nn.Module) -> list[int]:
    """Where the weights and buffers lie: a graph goes on using these places."""
    return [t.data_ptr() for t in (*module.parameters(), *module.buffers())]


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
