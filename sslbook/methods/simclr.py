"""SimCLR: each view finds its positive among all other views of the batch.

T. Chen et al., "A Simple Framework for Contrastive Learning of Visual Representations", ICML 2020,
arXiv 2002.05709; official repository google-research/simclr (written anew here).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from sslbook.core.numerics import unit_rows
from sslbook.methods.common import check_knob, two_views

TEMPERATURE = 0.5  # the paper's choice for CIFAR-10


def similarity(z1: Tensor, z2: Tensor) -> Tensor:
    """Cosine similarities (2N, 2N) between all views of a batch, rows in the order [z1; z2].

    z1, z2: (N, D). View i of z1 has its positive at column N + i. A row of zeros has similarity 0
    to everything, itself included. Computed in float32 at least, autocast off. Raises UsageError
    for other shapes or a batch of one.
    """
    z1, z2 = two_views(z1, z2, "similarity")
    with torch.autocast(z1.device.type, enabled=False):
        rows = unit_rows(torch.cat([z1, z2]))
        return rows @ rows.T


def nt_xent_loss(z1: Tensor, z2: Tensor, temperature: float | Tensor = TEMPERATURE) -> Tensor:
    """NT-Xent (eq. 1 of the paper, averaged as in its algorithm 1), a scalar in nats.

    L = mean over the 2N views i of -s_ij / t + log sum_{k != i} exp(s_ik / t), where j is the
    positive of i and s the cosine similarity. Only the view itself is left out of the sum; the
    positive stays in (leaving it out gives the decoupled loss, DCL).

    z1, z2: (N, D) projections of two views, row i of both from the same input; N >= 2. They need
    not be normalised. temperature: more than 0; .5 in the paper for CIFAR-10.

    Value and gradient are finite for finite input. ln(2N - 1) when all views are equal. Unchanged
    by a joint rotation, by a positive scale of single rows, and by the order of the batch.
    Raises UsageError for other shapes, a batch of one, or a temperature of 0 or less.
    """
    check_knob(temperature, "temperature", "nt_xent_loss", zero=False)
    cosines = similarity(z1, z2)
    n = len(z1)
    itself = torch.eye(2 * n, dtype=torch.bool, device=cosines.device)
    others = (cosines / temperature).masked_fill(itself, -math.inf)
    # The positives are the diagonal of the upper right block; the lower left one mirrors it.
    positives = cosines[:n, n:].diagonal() / temperature
    return others.logsumexp(dim=1).mean() - positives.mean()
