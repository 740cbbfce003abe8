"""NT-Xent and its relatives in other ways: with loops, and with any entries left out of the sum."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from sslbook.methods.simclr import similarity


def terms(z1: Tensor, z2: Tensor, temperature: float, decoupled: bool = False) -> Tensor:
    """The loss of every view, (2N,), from its definition with loops."""
    z, n = torch.cat([z1, z2]), len(z1)
    found = []
    for i in range(2 * n):
        j = (i + n) % (2 * n)
        left_out = (i, j) if decoupled else (i,)
        cosine = [float(z[i] @ z[k] / (z[i].norm() * z[k].norm())) for k in range(2 * n)]
        total = sum(math.exp(cosine[k] / temperature) for k in range(2 * n) if k not in left_out)
        found.append(math.log(total) - cosine[j] / temperature)
    return torch.tensor(found, dtype=torch.float64)


def masked(left_out: Tensor, scores=similarity) -> Callable[..., Tensor]:
    """The loss of N views in pairs whose sums leave the given entries (2N, 2N) out."""
    def loss(z1: Tensor, z2: Tensor, temperature: float) -> Tensor:
        logits = scores(z1, z2) / temperature
        others = logits.masked_fill(left_out, -math.inf).logsumexp(1)
        return others.mean() - logits.diagonal(len(z1)).mean()

    return loss


def products(z1: Tensor, z2: Tensor) -> Tensor:
    """Products of rows that are not normalised."""
    return torch.cat([z1, z2]) @ torch.cat([z1, z2]).T


def other_view_alone(z1: Tensor, z2: Tensor, temperature: float, decoupled: bool = False) -> Tensor:
    """InfoNCE between the views, as in CLIP: no negatives of the own view."""
    block = similarity(z1, z2)[: len(z1), len(z1) :] / temperature
    left = block.masked_fill(torch.eye(len(z1), dtype=torch.bool), -math.inf)
    left = left if decoupled else block
    return (left.logsumexp(1) + left.logsumexp(0)).mean() / 2 - block.diagonal().mean()
