"""Decoupled contrastive learning (DCL): the positive leaves its own denominator.

C.-H. Yeh et al., "Decoupled Contrastive Learning", ECCV 2022, arXiv 2110.06848; the code that the
community uses is raminnakhli/Decoupled-Contrastive-Learning (written anew here).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from sslbook.errors import UsageError
from sslbook.methods.common import check_knob
from sslbook.methods.simclr import similarity

TEMPERATURE = 0.1  # the default of the code that the community uses


def dcl_terms(z1: Tensor, z2: Tensor, temperature: float | Tensor = TEMPERATURE) -> Tensor:
    """The decoupled loss of every view, (2N,) in nats, rows in the order [z1; z2].

    L_i = -s_ij / t + log sum_{k not i, k not j} exp(s_ik / t), with j the positive of i and s the
    cosine similarity. The sum has 2(N - 1) terms.

    z1, z2: (N, D), row i of both from the same input; N >= 2; they need not be normalised.
    temperature: more than 0. NT-Xent's loss of the same view is softplus(L_i), and the factor
    between the two gradients is `coupling`. Raises UsageError as `dcl_loss` does.
    """
    positives, others = _parts(z1, z2, temperature)
    return others - positives


def dcl_loss(z1: Tensor, z2: Tensor, temperature: float | Tensor = TEMPERATURE) -> Tensor:
    """DCL, a scalar in nats: the mean of `dcl_terms` over the 2N views.

    The community code adds the two directions up, which is twice this value; lightly's DCLLoss is
    this value. It can be negative. Value and gradient are finite for finite input; log(2N - 2) when
    all views are equal. Unchanged by a joint rotation, by a positive
    scale of single rows, and by the order of the batch.
    Raises UsageError for other shapes, a batch of one, or a temperature of 0 or less.
    """
    positives, others = _parts(z1, z2, temperature)
    return others.mean() - positives.mean()


def coupling(z1: Tensor, z2: Tensor, temperature: float | Tensor = TEMPERATURE) -> Tensor:
    """The coupling factor q_B of every view, (2N,) between 0 and 1.

    q_i = U_i / (U_i + exp(s_ij / t)), U_i the sum over the negatives. The gradient of NT-Xent's
    loss of view i is q_i times that of `dcl_terms`, for any parameter. Raises UsageError as
    `dcl_loss` does.
    """
    return torch.sigmoid(dcl_terms(z1, z2, temperature))


def coupling_of(
    samples: int, temperature: float, positive: float = 1.0, negative: float = 0.0
) -> float:
    """q_B in closed form, where all positives and all negatives have one similarity each.

    samples: N, 2 or more. positive, negative: cosines, by default a perfect pair among orthogonal
    others: 2(N-1) / (2(N-1) + exp(1/t)). Raises UsageError for N < 2 or a temperature of 0 or less.
    """
    check_knob(temperature, "temperature", "coupling_of", zero=False)
    if samples < 2:
        raise UsageError(
            f"coupling_of got a batch of {samples}; one sample has no negatives.",
            todo="Give 2 samples or more.",
        )
    gap = math.log(2 * (samples - 1)) + (negative - positive) / temperature
    return 1 / (1 + math.exp(-gap)) if gap > -700 else 0.0


def _parts(z1: Tensor, z2: Tensor, temperature: float | Tensor) -> tuple[Tensor, Tensor]:
    """s_ij / t of each view's positive, and log of the sum over its negatives, both (2N,)."""
    check_knob(temperature, "temperature", "dcl", zero=False)
    logits = similarity(z1, z2) / temperature
    n = len(z1)
    positives = logits[:n, n:].diagonal().repeat(2)
    same_image = torch.eye(n, dtype=torch.bool, device=logits.device).repeat(2, 2)
    return positives, logits.masked_fill(same_image, -math.inf).logsumexp(dim=1)
