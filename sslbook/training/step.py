"""One update of a training: eager, compiled, or captured in a CUDA graph."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from sslbook.errors import UsageError
from sslbook.training import capture, precision
from sslbook.training.distributed import Ranks
from sslbook.training.optim import Recipe

MODES = ("auto", "graph", "compile", "off")
_WARM = 3  # steps that a device gets before a capture, to choose its kernels; the last is inspected


class Step:
    """Update after update of a module: batch, forward, backward, optimiser.

    module, loss: as `train` takes them, the module on its device. batches: `batches(number)`, and
    for a capture `inputs` and `make` as in `Batches`. accelerate: "graph" (CUDA), "compile"
    (torch.compile of module and loss), "off", or "auto": a graph on CUDA, else off. ranks: those
    that make the step together, off then.

    mode: "graph", "compile" or "eager", as it is now. reason: why it is not what was asked for.
    Raises UsageError for another value of accelerate.

    A graph holds views, forward and backward and, with a fused optimiser and without a scaler,
    the update too. It repeats the launches of one step on the same memory: rows and random numbers
    are copied into place before, the learning rate is a tensor, and a schedule of the loss (a
    temperature, say) lives in a buffer that an `after_step` hook fills. Steps that cannot be
    captured go on as eager ones.
    """

    def __init__(
        self, module: nn.Module, batches: Any, loss: Callable[..., Tensor], recipe: Recipe,
        device: torch.device, precision_name: str = "float32", accelerate: str = "off",
        ranks: Ranks | None = None,
    ):
        if accelerate not in MODES:
            raise UsageError(f"accelerate is one of {', '.join(MODES)}, got {accelerate!r}.")
        self.module, self.batches, self.recipe = module, batches, recipe
        self.device, self.precision, self.ranks = device, precision_name, ranks or Ranks()
        self.layout = precision.image_layout(module, device)
        self.loss = precision.in_float32(loss, device)
        self.optimizer = recipe.build(module)
        self.scaler = torch.amp.GradScaler(device.type, enabled=precision_name == "fp16")
        self.mode, self.reason = self._first_mode(accelerate)
        self._whole = recipe.fused and not self.scaler.is_enabled()
        self._forward = self._eager_forward
        if self.mode == "compile":
            self._forward = torch.compile(self._eager_forward, dynamic=False)
        self._rate = torch.zeros((), device=device)
        self._warm, self._replay = 0, None

    @property
    def parts(self) -> dict[str, Any]:
        """What a checkpoint keeps: objects with a state_dict."""
        return {"module": self.module, "optimizer": self.optimizer, "scaler": self.scaler}

    def __call__(self, number: int, rate: float) -> dict[str, Any]:
        """Update `number` at learning rate `rate`; what the module returned, without its graph."""
        if self.mode == "graph":
            out = self._captured(number, rate)
        else:
            self._set_rate(rate)
            out = self._compiled(number) if self.mode == "compile" else self._eager(number)
        # A replay refills its tensors, so the loss of this step is copied.
        return {**out, "loss": out["loss"].clone()}

    # -- the three ways ----------------------------------------------------------------------

    def _eager(self, number: int) -> dict[str, Any]:
        batch = precision.to_layout(self.batches(number), self.device, self.layout)
        out = self._backward(self._forward(batch))
        self._move()
        return out

    def _compiled(self, number: int) -> dict[str, Any]:
        try:
            return self._eager(number)
        except Exception as error:  # a compiler that is missing fails in many ways
            if self._warm:
                raise
            self._become_eager(f"torch.compile failed ({type(error).__name__})")
            return self._eager(number)
        finally:
            self._warm += 1

    def _captured(self, number: int, rate: float) -> dict[str, Any]:
        inputs = self.batches.inputs(number)
        if self._replay is not None and not self._fits(inputs):
            self._become_eager("a batch has another shape, or a weight was replaced, not changed")
        if self.mode == "eager":
            self._set_rate(rate)
            return self._eager(number)
        self._set_rate(self._rate.fill_(rate) if self._whole else rate)
        if self._replay is None and self._warm < _WARM:
            return self._warm_up(inputs)
        if self._replay is None and not self._try_capture(inputs):
            return self._captured(number, rate)
        for place, value in zip(self._places, pytree.tree_leaves(inputs), strict=True):
            if isinstance(place, Tensor) and place is not value:
                place.copy_(value, non_blocking=True)
        out = self._replay()
        if not self._whole:
            self._move()
        return out

    def _warm_up(self, inputs: Any) -> dict[str, Any]:
        self._warm += 1
        with capture.aside(self.device):
            if self._warm < _WARM:
                out = self._compute(inputs)
            else:
                with capture.Obstacles(self.module) as obstacles:
                    out = self._compute(inputs)
                if obstacles.found:
                    self._become_eager(obstacles.found)
            self._move()
        return out

    def _try_capture(self, inputs: Any) -> bool:
        """Capture a step on copies of its inputs; False, and eager from now on, where it fails."""
        copies = pytree.tree_map_only(Tensor, Tensor.clone, inputs)
        self._places = pytree.tree_leaves(copies)
        self._lie = capture.addresses(self.module)
        try:
            self._replay = capture.capture(lambda: self._whole_step(copies))
        except RuntimeError as error:
            self._become_eager(f"the capture failed ({str(error).splitlines()[0][:80]})")
        return self._replay is not None

    def _fits(self, inputs: Any) -> bool:
        """Whether a replay does for these inputs what a step would."""
        leaves = pytree.tree_leaves(inputs)
        if len(leaves) != len(self._places) or capture.addresses(self.module) != self._lie:
            return False
        return all(
            isinstance(old, Tensor) and new.shape == old.shape if isinstance(new, Tensor)
            else new is old  # anything else is frozen in the graph
            for new, old in zip(leaves, self._places, strict=True)
        )

    def _become_eager(self, reason: str) -> None:
        self.mode, self.reason, self._replay = "eager", reason, None
        self._forward = self._eager_forward

    # -- the pieces --------------------------------------------------------------------------

    def _first_mode(self, accelerate: str) -> tuple[str, str]:
        if accelerate == "off":
            return "eager", ""
        if self.ranks.world > 1:
            return "eager", "several ranks make them together"
        if accelerate == "compile":
            return "compile", ""
        missing = capture.available(self.device)
        if not missing and not hasattr(self.batches, "inputs"):
            missing = "these batches have no inputs to copy into place"
        if missing:
            return "eager", "" if accelerate == "auto" else missing
        return "graph", ""

    def _whole_step(self, inputs: Any) -> dict[str, Any]:
        out = self._compute(inputs)
        if self._whole:
            self._move()
        return out

    def _compute(self, inputs: Any) -> dict[str, Any]:
        made = self.batches.make(inputs, static=True)
        batch = precision.to_layout(made, self.device, self.layout)
        return self._backward(self._forward(batch))

    def _eager_forward(self, batch: Any) -> dict[str, Any]:
        with precision.autocast(self.device, self.precision):
            return self.module(batch, self.loss)

    def _backward(self, out: dict[str, Any]) -> dict[str, Any]:
        self.optimizer.zero_grad(set_to_none=True)
        self.scaler.scale(out["loss"]).backward()
        self.ranks.average(self.module)
        return {k: v.detach() if isinstance(v, Tensor) else v for k, v in out.items()}

    def _move(self) -> None:
        if self.recipe.clip:
            self.scaler.unscale_(self.optimizer)
            nn.utils.clip_grad_norm_(self.module.parameters(), self.recipe.clip)
        self.scaler.step(self.optimizer)
        self.scaler.update()

    def _set_rate(self, rate: float | Tensor) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = rate
