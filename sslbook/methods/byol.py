"""BYOL and SimSiam: predict the other view's embedding, and let no gradient into the target.

J.-B. Grill et al., "Bootstrap Your Own Latent", NeurIPS 2020, arXiv 2006.07733;
X. Chen and K. He, "Exploring Simple Siamese Representation Learning", CVPR 2021,
arXiv 2011.10566; official repository of the latter facebookresearch/simsiam (written anew here).
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from sslbook.core.numerics import unit_rows
from sslbook.errors import UsageError
from sslbook.methods.common import check_knob, two_views


def cosines(p: Tensor, z: Tensor) -> Tensor:
    """The cosine (N,) of each prediction p (N, D) with its target z (N, D), which gets no gradient.

    In float32 at least, autocast off. A row of zeros has cosine 0 and a gradient of 0.
    Raises UsageError for other shapes or a batch of one.
    """
    p, z = two_views(p, z, "the cosine of prediction and target")
    with torch.autocast(p.device.type, enabled=False):
        return (unit_rows(p) * unit_rows(z.detach())).sum(dim=1)


def byol_loss(p1: Tensor, p2: Tensor, z1: Tensor, z2: Tensor) -> Tensor:
    """BYOL's loss over both views, a scalar between 0 and 8.

    L = mean_b [2 - 2 cos(p1_b, sg z2_b)] + mean_b [2 - 2 cos(p2_b, sg z1_b)]; each term is the
    mean squared distance of the unit vectors. sg: stop-gradient.

    p1, p2: (N, D) predictions from views 1 and 2; z1, z2: (N, D) targets of views 1 and 2, row b
    of all from the same input; N >= 2. The targets get a gradient of exactly zero.
    Unchanged by a positive scale of single rows, by a rotation of all four, by the order of the
    batch, and by exchanging the views. Raises UsageError for other shapes or a batch of one.
    """
    return 4 - 2 * (cosines(p1, z2).mean() + cosines(p2, z1).mean())


def simsiam_loss(p1: Tensor, p2: Tensor, z1: Tensor, z2: Tensor) -> Tensor:
    """SimSiam's loss, a scalar between -1 and 1.

    L = -1/2 mean_b cos(p1_b, sg z2_b) - 1/2 mean_b cos(p2_b, sg z1_b) = byol_loss / 4 - 1.
    Arguments and errors as for `byol_loss`.
    """
    return -(cosines(p1, z2).mean() + cosines(p2, z1).mean()) / 2


@torch.no_grad()
def ema_update(
    teacher: Iterable[Tensor], student: Iterable[Tensor], momentum: float | Tensor
) -> None:
    """Move the teacher's tensors in place: t <- momentum * t + (1 - momentum) * s.

    teacher, student: tensors of equal shapes, in one order. momentum: 0 copies the student, 1
    keeps the teacher. With a constant student the teacher after n updates is
    momentum^n t_0 + (1 - momentum^n) s. Raises UsageError for a momentum outside 0..1 or lists
    of unequal lengths, before anything is moved.
    """
    check_knob(momentum, "momentum", "ema_update", zero=True)
    if not isinstance(momentum, Tensor) and momentum > 1:
        raise UsageError(f"ema_update got momentum={momentum!r}; it lies between 0 and 1.")
    teacher, student = list(teacher), list(student)
    if len(teacher) != len(student):
        raise UsageError(
            f"ema_update got {len(teacher)} tensors of a teacher and {len(student)} of a student.",
            "Nothing was moved.", "Give the parameters of two networks of one architecture.",
        )
    for own, other in zip(teacher, student, strict=True):
        own.copy_(momentum * own + (1 - momentum) * other)
