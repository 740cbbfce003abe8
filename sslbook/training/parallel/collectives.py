"""Sums and concatenations over the ranks, with gradients."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch import distributed as dist
from torch.utils import _pytree as pytree

from sslbook.training.parallel.slices import Axes


def gather(value: Any, axes: Axes, rank: int, world: int) -> Any:
    """The tensors of all ranks, put together along their axes; None: this rank's own."""
    leaves, form = pytree.tree_flatten(value)
    mine = torch.tensor([0 if axis is None else leaf.shape[axis]
                         for leaf, axis in zip(leaves, axes, strict=True)])
    lengths = [torch.empty_like(mine) for _ in range(world)]
    dist.all_gather(lengths, mine)  # on the host: rows may be chosen by their values
    lengths = torch.stack(lengths, 1).tolist()
    leaves = [leaf if axis is None else _Gather.apply(leaf, axis, sizes, rank)
              for leaf, axis, sizes in zip(leaves, axes, lengths, strict=True)]
    return pytree.tree_unflatten(leaves, form)


class _Gather(torch.autograd.Function):
    """Concatenation over the ranks. All compute the same with it, so no gradient is exchanged."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, axis: int, sizes: list[int], rank: int) -> Tensor:
        ctx.place = (axis, sum(sizes[:rank]), sizes[rank], len(sizes))
        moved = x.detach().movedim(axis, 0)
        sent = moved.new_zeros((max(sizes), *moved.shape[1:]))  # equal shapes for all ranks
        sent[: len(moved)] = moved
        plain = sent.view(torch.uint8) if sent.dtype == torch.bool else sent
        parts = [torch.empty_like(plain) for _ in sizes]
        dist.all_gather(parts, plain)
        parts = [part[:size] for part, size in zip(parts, sizes, strict=True)]
        return torch.cat(parts).view(x.dtype).movedim(0, axis)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        axis, start, size, world = ctx.place
        return gradient.narrow(axis, start, size) * world, None, None, None


def sum_over_ranks(tensors: list[Tensor]) -> None:
    """Add up each tensor over the ranks, in place, in one exchange."""
    if tensors:
        flat = torch.cat([one.reshape(-1) for one in tensors])
        dist.all_reduce(flat)
        parts = flat.split([one.numel() for one in tensors])
        for one, part in zip(tensors, parts, strict=True):
            one.copy_(part.view_as(one))


class Sum(torch.autograd.Function):
    """The sum over the ranks; so is its gradient, for every rank's loss depends on it."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        x = x.clone()
        dist.all_reduce(x)
        return x

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return Sum.apply(gradient)
