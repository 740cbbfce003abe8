"""DirectPred: set the linear predictor from the features' second moment, without a gradient.

Y. Tian, X. Chen, S. Ganguli, "Understanding self-supervised Learning Dynamics without Contrastive
Pairs", ICML 2021, arXiv 2102.06810; official code facebookresearch/luckmatters, ssl/real-dataset
(written anew here). DirectSet and DirectCopy: X. Wang, X. Chen, S. Du, Y. Tian, arXiv 2110.04947.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from sslbook.core.numerics import full_precision
from sslbook.errors import UsageError
from sslbook.methods.common import check_knob

EPS, RHO = 0.01, 0.3  # of the official code's command for CIFAR-10 and STL-10 (its README)
FLOOR = 1e-4  # the official code lets no eigenvalue of the predictor fall below it


@torch.no_grad()
def updated_moment(moment: Tensor, f: Tensor, rho: float | Tensor = RHO) -> Tensor:
    """The running second moment after a batch: rho * moment + (1 - rho) * f^T f / N, (D, D).

    f: (N, D) projections of both views before any normalisation, not centred. moment: (D, D).
    Returns a new float32 (at least) tensor without a gradient; a caller copies it into its
    buffer. Raises UsageError for other shapes or a rho outside 0..1.
    """
    check_knob(rho, "rho", "updated_moment", zero=True)
    if not isinstance(rho, Tensor) and rho > 1:
        raise UsageError(f"updated_moment got rho={rho!r}; it lies between 0 and 1.")
    _square(moment, "updated_moment")
    if f.ndim != 2 or not f.is_floating_point() or f.shape[1] != len(moment) or not len(f):
        raise UsageError(
            f"updated_moment takes features (N, {len(moment)}) of the moment's width; "
            f"these are {str(f.dtype)[6:]} of shape {tuple(f.shape)}.",
        )
    f = full_precision(f)
    with torch.autocast(f.device.type, enabled=False):
        return rho * full_precision(moment) + (1 - rho) * f.T @ f / len(f)


@torch.no_grad()
def direct_predictor(moment: Tensor, eps: float = EPS, alpha: float = 0.5) -> Tensor:
    """The predictor W_p (D, D) that goes with the second moment F = U diag(l) U^T of the features.

    W_p = U diag(p) U^T with p_j = max((l_j / l_max)^alpha + eps, 1e-4): symmetric, positive and
    commuting with F. alpha .5 is DirectPred as in the official code (byol_trainer.py,
    compute_w_corr), alpha 1 is DirectCopy with a normalised F, others are DirectSet(alpha).

    Only valid with a loss on unit vectors: the largest p is 1 + eps, whatever the scale of F.
    moment: (D, D); its symmetric part is taken, eigenvalues below 0 (rounding) count as 0. An F
    of zeros gives eps * I. No gradient. Raises UsageError for another shape, a negative eps, or
    an alpha of 0 or less.
    """
    check_knob(eps, "eps", "direct_predictor", zero=True)
    check_knob(alpha, "alpha", "direct_predictor", zero=False)
    moment = full_precision(_square(moment, "direct_predictor"))
    with torch.autocast(moment.device.type, enabled=False):
        values, vectors = torch.linalg.eigh((moment + moment.T) / 2)  # ascending
        shares = values.clamp_min(0) / values[-1].clamp_min(torch.finfo(values.dtype).tiny)
        p = (shares**alpha + eps).clamp_min(FLOOR)
        return vectors * p @ vectors.T


@torch.no_grad()
def eigen_alignment(weight: Tensor, moment: Tensor) -> Tensor:
    """|cos(F v, v)| for every eigenvector v of the predictor's symmetric part, (D,) in 0..1.

    1: v is an eigenvector of the moment F too. Ordered by the predictor's eigenvalues, ascending.
    weight, moment: (D, D). A direction in which F is zero counts 0.
    """
    weight = full_precision(_square(weight, "eigen_alignment"))
    vectors = torch.linalg.eigh((weight + weight.T) / 2).eigenvectors
    moved = full_precision(moment) @ vectors
    along = (moved * vectors).sum(dim=0).abs()
    return along / moved.norm(dim=0).clamp_min(torch.finfo(along.dtype).tiny)


@torch.no_grad()
def linear_flow(
    weight: Tensor, predictor: Tensor, noise: float, decay: float
) -> tuple[Tensor, Tensor]:
    """The velocities (dW, dW_p) of the paper's linear model under its population gradient.

    Loss 1/2 E|W_p W x1 - sg(W x2)|^2 with white inputs: E x1 x1^T = (1 + noise) I,
    E x2 x1^T = I; weight decay on both. weight W: (D, d); predictor W_p: (D, D);
    noise: the augmentation's variance sigma^2; decay: eta. The target is the weight itself.
    """
    error = (1 + noise) * predictor @ weight - weight  # (D, d)
    return -predictor.T @ error - decay * weight, -error @ weight.T - decay * predictor


def fixed_points(noise: float, decay: float) -> tuple[float, float]:
    """(lower, upper) p > 0 at which an eigenmode of the linear model rests: p (1 - (1 + noise) p)
    equals decay. The lower one is unstable: modes with a smaller p die. With decay 0 they are 0
    and 1 / (1 + noise). Raises UsageError where there is none: decay above 1 / (4 (1 + noise)).
    """
    inside = 1 - 4 * (1 + noise) * decay
    if inside < 0:
        raise UsageError(
            f"No mode survives a weight decay of {decay!r}.", "",
            f"Stay at or below 1 / (4 (1 + noise)), here {1 / (4 * (1 + noise)):g}.",
        )
    root = math.sqrt(inside)
    return (1 - root) / (2 * (1 + noise)), (1 + root) / (2 * (1 + noise))


def _square(moment: Tensor, function: str) -> Tensor:
    if not isinstance(moment, Tensor) or not moment.is_floating_point():
        raise UsageError(f"{function} takes a floating-point tensor (D, D).")
    if moment.ndim != 2 or moment.shape[0] != moment.shape[1] or not len(moment):
        raise UsageError(
            f"{function} takes a square matrix (D, D); this has shape {tuple(moment.shape)}.",
        )
    return moment
