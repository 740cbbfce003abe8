"""DirectPred: set the linear predictor from the features' second moment, without a gradient.

Y. Tian, X. Chen, S. Ganguli, "Understanding self-supervised Learning Dynamics without Contrastive
Pairs", ICML 2021, arXiv 2102.06810; official code facebookresearch/luckmatters, ssl/real-dataset
(written anew here). DirectSet and DirectCopy: X. Wang, X. Chen, S. Du, Y. Tian, arXiv 2110.04947.
"""

from __future__ import annotations

import torch
from torch import Tensor

from sslbook.core.numerics import full_precision
from sslbook.errors import UsageError
from sslbook.methods.common import check_knob

EPS = 0.01  # of the official code's command for CIFAR-10 and STL-10 (its README)
FLOOR = 1e-4  # the official code lets no eigenvalue of the predictor fall below it


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
    square = moment.ndim == 2 and 0 < len(moment) == moment.shape[1]
    if not square or not moment.is_floating_point():
        raise UsageError("direct_predictor takes a square matrix (D, D) of floating-point numbers; "
                         f"this is {moment.dtype} of shape {tuple(moment.shape)}.")
    moment = full_precision(moment)
    with torch.autocast(moment.device.type, enabled=False):
        values, vectors = torch.linalg.eigh((moment + moment.T) / 2)  # ascending
        shares = values.clamp_min(0) / values[-1].clamp_min(torch.finfo(values.dtype).tiny)
        p = (shares**alpha + eps).clamp_min(FLOOR)
        return vectors * p @ vectors.T
