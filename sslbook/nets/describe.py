"""Shapes and sizes of a module's parts, as a table."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor, nn


def parameter_count(module: nn.Module) -> int:
    """Number of trainable parameters."""
    return sum(p.numel() for p in module.parameters() if p.requires_grad)


@torch.no_grad()
def describe(module: nn.Module, sample: Tensor, kept: str = "encoder") -> str:
    """A table as text: the children of `module`, what they put out and how many parameters.

    sample: a batch for the child `kept`, whose own parts are listed too; the rest of the children
    serve pretraining only, which the table says.
    """
    lines = [f"{'part':<14}{'output':<20}{'parameters':>12}"]
    for name, part in module.named_children():
        use = "kept" if name == kept else "thrown away"
        lines.append(f"{name:<14}{'':<20}{parameter_count(part):>12,}  {use}")
        if name == kept:
            lines += _parts(part, sample)
    return "\n".join(lines)


def _parts(module: nn.Module, sample: Tensor) -> list[str]:
    """A line for each child of `module` that runs in one forward pass, in eval mode."""
    lines: list[str] = []

    def note(name: str, layer: nn.Module, _args: Any, out: Any) -> None:
        shape = str(tuple(out.shape)) if isinstance(out, Tensor) else type(out).__name__
        lines.append(f"  {name:<12}{shape:<20}{parameter_count(layer):>12,}")

    handles = [child.register_forward_hook(partial(note, name))
               for name, child in module.named_children()]
    training = module.training
    try:
        module.eval()(sample)
    finally:
        module.train(training)
        for handle in handles:
            handle.remove()
    return lines
