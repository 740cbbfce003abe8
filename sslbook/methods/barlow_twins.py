"""Barlow Twins: make the views' cross-correlation matrix the identity.

J. Zbontar et al., "Barlow Twins: Self-Supervised Learning via Redundancy Reduction", ICML 2021,
arXiv 2103.03230; official repository facebookresearch/barlowtwins (written anew here).
"""

from __future__ import annotations

import torch
from torch import Tensor

from sslbook.core.numerics import safe_rsqrt
from sslbook.methods.common import check_knob, two_views

LAMBD = 0.0051  # the official repository's default


def standardise(z: Tensor, eps: float = 0.0) -> Tensor:
    """Each column of z (N, D) with mean 0 and variance 1 over the batch.

    The variance divides by N (ddof 0), as BatchNorm1d(affine=False) does, and so do the products
    in `cross_correlation`: identical views then have a diagonal of exactly 1. `eps` is added to
    the variance. A constant column, which has no correlation with anything, becomes 0 and gets no
    gradient when eps is 0.
    """
    # Taking the first row away changes nothing but the rounding: a constant column is then exactly
    # zero instead of rounding noise that would be blown up to variance 1.
    shifted = z - z[:1].detach()
    centred = shifted - shifted.mean(dim=0)
    return centred * safe_rsqrt(centred.square().mean(dim=0) + eps)


def cross_correlation(z1: Tensor, z2: Tensor, eps: float = 0.0) -> Tensor:
    """The cross-correlation matrix C (D, D) of two views' embeddings z1, z2 (N, D).

    C[i, j] = mean over the batch of standardised z1[:, i] times standardised z2[:, j]: eq. 2 of
    the paper with centred columns; entries lie in [-1, 1] and carry no unit. Computed in float32
    at least, autocast off. Raises UsageError for other shapes or a batch of one.
    """
    z1, z2 = two_views(z1, z2, "cross_correlation")
    check_knob(eps, "eps", "cross_correlation", zero=True)
    with torch.autocast(z1.device.type, enabled=False):
        return standardise(z1, eps).T @ standardise(z2, eps) / len(z1)


def barlow_twins_terms(z1: Tensor, z2: Tensor, eps: float = 0.0) -> tuple[Tensor, Tensor]:
    """The two sums of the loss, each a scalar: sum_i (1 - C_ii)^2 and sum_{i != j} C_ij^2.

    The second is the squared distance of C from the identity less the first. Near the solution
    both are small, so nothing is lost by cancellation, and no D x D mask is needed.
    """
    correlation = cross_correlation(z1, z2, eps)
    error = correlation - torch.eye(
        len(correlation), dtype=correlation.dtype, device=correlation.device
    )
    invariance = error.diagonal().square().sum()
    return invariance, error.square().sum() - invariance


def barlow_twins_loss(
    z1: Tensor, z2: Tensor, lambd: float | Tensor = LAMBD, eps: float = 0.0
) -> Tensor:
    """Barlow Twins' loss (eq. 1 of the paper), a scalar without a unit.

    L = sum_i (1 - C_ii)^2 + lambd * sum_{i != j} C_ij^2, C = cross_correlation(z1, z2). Sums, not
    means: the value grows with D, and there is no further scale (solo-learn multiplies by 0.1).

    z1, z2: (N, D) projections of two views, row i of both from the same input; N >= 2.
    lambd: the weight of the redundancy term, 0 or more; .0051 in the official code, .005 in
    lightly. eps: added to the variances; 1e-5 gives the digits of BatchNorm1d(affine=False).

    Value and gradient are finite for finite input. A constant column counts 1 (its C_ii is 0).
    Unchanged by any positive scale and any shift of single columns, and by the order of the batch.
    Raises UsageError for other shapes, a batch of one, or a negative lambd or eps.
    """
    check_knob(lambd, "lambd", "barlow_twins_loss", zero=True)
    invariance, redundancy = barlow_twins_terms(z1, z2, eps)
    return invariance + lambd * redundancy
