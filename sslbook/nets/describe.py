"""Shapes and sizes of a module's parts, as a table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn


def parameter_count(module: nn.Module) -> int:
    """Number of trainable parameters."""
    return sum(p.numel() for p in module.parameters() if p.requires_grad)


@torch.no_grad()
def shape_table(module: nn.Module, *inputs: Tensor) -> list[tuple[str, str, str, int]]:
    """(name, kind, output shape, parameters) of each direct child that runs in one forward pass.

    Children are called on a copy of the batch in eval mode; nothing is trained or changed.
    """
    rows: list[tuple[str, str, str, int]] = []

    def note(name: str) -> Callable:
        def hook(layer: nn.Module, _args: Any, out: Any) -> None:
            shape = str(tuple(out.shape)) if isinstance(out, Tensor) else type(out).__name__
            rows.append((name, type(layer).__name__, shape, parameter_count(layer)))

        return hook

    handles = [child.register_forward_hook(note(n)) for n, child in module.named_children()]
    training = module.training
    try:
        module.eval()(*inputs)
    finally:
        module.train(training)
        for handle in handles:
            handle.remove()
    return rows


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
            rows = shape_table(part, sample)
            lines += [f"  {inner:<12}{shape:<20}{count:>12,}" for inner, _, shape, count in rows]
    return "\n".join(lines)
