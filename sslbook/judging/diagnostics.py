"""What can be said about embeddings without a label: rank, spectrum, alignment, uniformity, spread.

All take embeddings z (N, D), count in float64, and return finite numbers for finite input. None
of them proves a representation good: read them together, and only between runs of one method.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from sslbook.core.numerics import unit_rows
from sslbook.errors import UsageError
from sslbook.judging.inputs import matrix


def spectrum(z: Tensor) -> Tensor:
    """Singular values of z (N, D), not centred, descending, divided by their sum.

    Returns min(N, D) numbers, float64 on the CPU; zeros when z is all zeros.
    """
    values = torch.linalg.svdvals(matrix(z, "embeddings")).cpu()
    total = values.sum()
    return values / total if total > 0 else values


def rankme(z: Tensor, eps: float = 1e-7) -> float:
    """RankMe, the effective rank: exp(entropy of the normalised singular values), 1..min(N, D).

    p_k = sigma_k / sum(sigma) + eps, with eps outside the division and z not centred, as in
    Q. Garrido et al., ICML 2023, arXiv 2210.02885. Because of eps the p_k sum to slightly more
    than 1: RankMe(I_5) is 5.000002. An all-zero z, for which the ratio is undefined, has rank 0.

    Blind to scale: embeddings that shrink towards zero keep their rank (see `spread`). Compare
    equal N only, with N > D, and runs of one method: a high rank is needed, not enough.
    """
    if eps < 0:
        raise UsageError(f"rankme got eps={eps}; eps must be 0 or more.")
    shares = spectrum(z)
    if not bool(shares.any()):
        return 0.0
    return float(torch.special.entr(shares + eps).sum().exp())


def alignment(z1: Tensor, z2: Tensor) -> float:
    """Mean squared distance between the two views of an input on the unit sphere, 0..4.

    Lower is closer; 0 says that both views have the same embedding (also when all inputs do).
    T. Wang and P. Isola, ICML 2020, arXiv 2005.10242, with alpha = 2 as in their repository
    (ssnl/align_uniform: the mean of ||x - y||^alpha); the normalisation is done here.
    """
    z1, z2 = matrix(z1, "first view"), matrix(z2, "second view")
    if z1.shape != z2.shape:
        raise UsageError(f"The views differ in shape: {tuple(z1.shape)} and {tuple(z2.shape)}.")
    return float((unit_rows(z1) - unit_rows(z2.to(z1.device))).square().sum(dim=1).mean())


def uniformity(z: Tensor, t: float = 2.0, chunk: int = 1024) -> float:
    """Log of the mean Gaussian potential between different rows on the unit sphere, -4t..0.

    log mean_{i < j} exp(-t ||z_i - z_j||^2); lower is more uniform, 0 is one single point, and
    about -4 (t = 2) is what random directions in many dimensions have. T. Wang and P. Isola,
    ICML 2020, arXiv 2005.10242; self-pairs are left out as in their repository
    (ssnl/align_uniform). One row alone has no pairs: 0.0, as for a single point.
    """
    if not t > 0:
        raise UsageError(f"uniformity got t={t}; t must be more than 0.")
    rows = unit_rows(matrix(z, "embeddings"))
    count = len(rows)
    if count < 2:
        return 0.0
    square = rows.square().sum(dim=1)  # 1, or 0 for a row of zeros
    sums = []
    for start in range(0, count, chunk):
        part = slice(start, start + chunk)
        distance = square[part, None] + square - 2 * rows[part] @ rows.T  # (chunk, N), squared
        potential = -t * distance.clamp_min(0)
        own = torch.arange(len(potential), device=rows.device)
        potential[own, own + start] = -math.inf
        sums.append(potential.flatten().logsumexp(dim=0))
    return float(torch.stack(sums).logsumexp(dim=0)) - math.log(count * (count - 1))


def collapse_level(z: Tensor) -> float:
    """How far the directions of z have collapsed: 0 spread over the sphere, 1 a single direction.

    1 - sqrt(D) * (mean over columns of the standard deviation of z / ||z||), clipped to 0..1, as
    in lightly's SimSiam tutorial after figure 2 of X. Chen and K. He, CVPR 2021, arXiv 2011.10566.
    The standard deviation divides by N, with which it cannot leave 0..1. Collapse to a subspace
    shows little here and much in `rankme`; a shrinking scale shows in `spread` alone.
    """
    rows = unit_rows(matrix(z, "embeddings"))
    spread = float(rows.std(dim=0, correction=0).mean()) * math.sqrt(rows.shape[1])
    return min(1.0, max(0.0, 1.0 - spread))


def spread(z: Tensor) -> float:
    """Mean over columns of the standard deviation of z (divided by N), in the unit of z.

    The one number here that sees embeddings shrink towards zero; one row alone has 0.
    """
    return float(matrix(z, "embeddings").std(dim=0, correction=0).mean())
