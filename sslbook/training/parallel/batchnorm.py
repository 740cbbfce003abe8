"""BatchNorm over all ranks: SyncBatchNorm on CUDA, a differentiable sum of sums elsewhere."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from types import MethodType

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from sslbook.training.parallel.collectives import Sum


@contextlib.contextmanager
def synced(module: nn.Module) -> Iterator[None]:
    """Inside the block every BatchNorm in train mode normalises by the ranks' common statistics.

    Weights and running statistics stay the tensors that they are, and are equal on every rank.
    """
    norms = [(parent, name, child) for parent in module.modules()
             for name, child in parent.named_children() if isinstance(child, _BatchNorm)]
    for parent, name, norm in norms:
        first = next(iter(norm.state_dict().values()), torch.empty(0))
        if first.device.type == "cuda":
            setattr(parent, name, nn.SyncBatchNorm.convert_sync_batchnorm(norm))
        else:
            norm.forward = MethodType(_forward, norm)
    try:
        yield
    finally:
        for parent, name, norm in norms:
            vars(norm).pop("forward", None)
            setattr(parent, name, norm.train(getattr(parent, name).training))


def _forward(norm: _BatchNorm, x: Tensor) -> Tensor:
    """What `norm` gives for this rank's part x (B, C, ...) of the global batch."""
    if not norm.training and norm.running_mean is not None:
        return type(norm).forward(norm, x)
    norm._check_input_dim(x)
    others = [axis for axis in range(x.ndim) if axis != 1]
    shape = [-1 if axis == 1 else 1 for axis in range(x.ndim)]
    count = x.new_tensor(x.numel() / x.shape[1])
    total, count = Sum.apply(torch.cat((x.sum(others), count[None]))).split((x.shape[1], 1))
    mean = total / count
    centred = x - mean.view(shape)
    # From the centred values: the difference of two large squares would lose digits.
    variance = Sum.apply(centred.square().sum(others)) / count
    if norm.training and norm.track_running_stats:
        _track(norm, mean.detach(), variance.detach() * count / (count - 1))
    y = centred * (variance + norm.eps).rsqrt().view(shape)
    return y * norm.weight.view(shape) + norm.bias.view(shape) if norm.affine else y


@torch.no_grad()
def _track(norm: _BatchNorm, mean: Tensor, variance: Tensor) -> None:
    norm.num_batches_tracked.add_(1)
    rate = 1 / norm.num_batches_tracked if norm.momentum is None else norm.momentum
    norm.running_mean.lerp_(mean.to(norm.running_mean.dtype), rate)
    norm.running_var.lerp_(variance.to(norm.running_var.dtype), rate)
