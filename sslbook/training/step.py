"""One update of a training: batch, forward, loss, backward, clip, optimiser.

Beside it: steps captured in a CUDA graph (`cudagraph`) and steps of several ranks
(`parallel.ranks`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from sslbook.training import precision
from sslbook.training.optim import OptimizerConfig


class Step:
    """Update after update of a module.

    module, loss: as `train` takes them, the module on its device. batches: `batches(number)`.
    config: the optimiser. precision_name: "float32", "bf16" or "fp16" (with a gradient scaler).
    mode: "eager", or another as it is now. reason: why it is not what was asked for.
    """

    mode, reason = "eager", ""

    def __init__(
        self, module: nn.Module, batches: Any, loss: Callable[..., Tensor],
        config: OptimizerConfig, device: torch.device, precision_name: str = "float32",
    ):
        self.module, self.batches, self.config = module, batches, config
        self.device, self.precision = device, precision_name
        self.layout = precision.image_layout(module, device)
        self.loss = precision.in_float32(loss, device)
        self.optimizer = config.build(module)
        self.scaler = torch.amp.GradScaler(device.type, enabled=precision_name == "fp16")

    def __call__(self, number: int, rate: float) -> dict[str, Any]:
        """Update `number` at learning rate `rate`; what the module returned, without its graph."""
        self.set_rate(rate)
        batch = precision.to_layout(self.batches(number), self.device, self.layout)
        out = self.forward(batch)
        self.backward(out["loss"])
        self._optimizer_step()
        return {k: v.detach() if isinstance(v, Tensor) else v for k, v in out.items()}

    def set_rate(self, rate: float | Tensor) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = rate

    def forward(self, batch: Any) -> dict[str, Any]:
        with precision.autocast(self.device, self.precision):
            return self.module(batch, self.loss)

    def backward(self, loss: Tensor) -> None:
        self.optimizer.zero_grad(set_to_none=True)
        self.scaler.scale(loss).backward()

    def _optimizer_step(self) -> None:
        if self.config.clip:
            self.scaler.unscale_(self.optimizer)
            nn.utils.clip_grad_norm_(self.module.parameters(), self.config.clip)
        self.scaler.step(self.optimizer)
        self.scaler.update()

    @property
    def parts(self) -> dict[str, Any]:
        """What a checkpoint keeps: objects with a state_dict."""
        return {"module": self.module, "optimizer": self.optimizer, "scaler": self.scaler}
