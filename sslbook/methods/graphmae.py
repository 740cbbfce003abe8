"""GraphMAE: hide the features of half the nodes and reconstruct them from their neighbours.

Z. Hou et al., "GraphMAE: Self-Supervised Masked Graph Autoencoders", KDD 2022, arXiv 2205.10803;
official repository THUDM/GraphMAE (graphmae/models/edcoder.py, loss_func.py; written anew here).
"""

from __future__ import annotations

import torch
from torch import Tensor

from sslbook.core.numerics import unit_rows
from sslbook.errors import UsageError
from sslbook.methods.common import check_knob, two_views

GAMMA = 3.0  # the official configuration for Cora


def scaled_cosine_error(z: Tensor, x: Tensor, gamma: float | Tensor = GAMMA) -> Tensor:
    """The scaled cosine error, a scalar in 0 .. 2^gamma without a unit.

    L = mean over the rows i of (1 - cos(z_i, x_i))^gamma. z: reconstructions, x: features, both
    (M, F). gamma: 1 or more; larger ones weigh down what is nearly right. A row of zeros, in
    either, has no direction: its error is 1, and it gets no gradient.

    For gamma = 1 it is half the mean squared distance of the unit rows. Unchanged by a positive
    scale of single rows. Raises UsageError for other shapes, no rows, or a gamma below 1.
    """
    z, x = two_views(z, x, "scaled_cosine_error", least=1)
    check_knob(gamma, "gamma", "scaled_cosine_error", zero=False)
    if not isinstance(gamma, Tensor) and gamma < 1:
        raise UsageError(f"scaled_cosine_error got gamma={gamma!r}; it must be 1 or more.",
                         todo="Below 1 the gradient has no bound near the solution.")
    with torch.autocast(z.device.type, enabled=False):
        cosine = (unit_rows(z) * unit_rows(x)).sum(dim=1)
        # Rounding can push a cosine over 1; a fractional power of less than 0 would be nan.
        return (1 - cosine).clamp_min(0).pow(gamma).mean()


def corrupt(x: Tensor, masked: Tensor, sources: Tensor, token: Tensor) -> Tensor:
    """Features of the corrupted graph: x (N, F) -> (N, F), a copy.

    masked: int64 (|M|,), the masked nodes; the first len(sources) of them get the features that
    the nodes `sources` have in x (noise), the others the learned `token` (F,).
    Raises UsageError where there are more sources than masked nodes.
    """
    count = len(sources)
    if count > len(masked):
        raise UsageError(f"corrupt got {count} sources for {len(masked)} masked nodes.")
    noise = x[sources].to(token.dtype)
    tokens = token.expand(len(masked) - count, -1)
    return x.to(token.dtype).index_copy(0, masked, torch.cat([noise, tokens]))


def remask(h: Tensor, masked: Tensor) -> Tensor:
    """Codes h (N, D) with those of the masked nodes set to zero, a copy.

    The decoder can then say nothing about a masked node but what its neighbours know.
    """
    return h.index_fill(0, masked, 0.0)
