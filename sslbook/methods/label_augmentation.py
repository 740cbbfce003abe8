"""Self-supervised label augmentation (SLA): predict class and transformation jointly.

H. Lee, S. J. Hwang, J. Shin, "Self-supervised Label Augmentation via Input Transformations",
ICML 2020, arXiv 1910.05872; official repository hankook/SLA (written anew here).

Shapes: N images, K classes, M transformations of which number 0 is the identity. `joint` is
(M, N, K, M): `joint[j, n, i, m]` scores class i and transformation m for image n transformed by j.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from sslbook.core.numerics import full_precision
from sslbook.errors import UsageError
from sslbook.methods.common import check_knob


def rotations(x: Tensor) -> Tensor:
    """The four quarter turns of square images x (N, C, S, S), as (4, N, C, S, S), x itself first.

    Turn j is j times 90 degrees, counter-clockwise. Raises UsageError for images not square.
    """
    if x.ndim != 4 or x.shape[2] != x.shape[3]:
        raise UsageError(f"rotations takes square images (N, C, S, S), not {tuple(x.shape)}.")
    return torch.stack([torch.rot90(x, turn, (2, 3)) for turn in range(4)])


def joint_labels(labels: Tensor, transformations: int) -> Tensor:
    """Joint labels (M, N) of labels y (N,): y * M + j for transformation j.

    They index a joint head of K * M scores that is read as (K, M), class first.
    """
    return labels * transformations + torch.arange(transformations, device=labels.device)[:, None]


def class_loss(scores: Tensor, labels: Tensor) -> Tensor:
    """Plain augmentation: mean cross-entropy in nats of every copy's scores (M, N, K) with y (N,).

    All copies of an image must give its class, so the classifier is asked to be invariant. With
    M = 1 it is ordinary training. Half precision is computed in float32. Raises UsageError for
    shapes that do not fit.
    """
    scores, labels = _checked("class_loss", scores, 3, labels)
    return functional.cross_entropy(scores.flatten(0, 1), labels.repeat(len(scores)))


def multi_task_loss(scores: Tensor, turns: Tensor, labels: Tensor) -> Tensor:
    """Two heads: `class_loss` of scores (M, N, K), plus that of naming each copy's transformation.

    turns: (M, N, M). This is SLA for joint scores of the form u[i, m] = scores[i] + turns[m]:
    class and transformation are then independent given the image. Both terms are means.
    Raises UsageError for shapes that do not fit.
    """
    named, _ = _checked("multi_task_loss", turns, 3, labels)
    m, n = named.shape[:2]
    if named.shape[2] != m or scores.shape[:2] != named.shape[:2]:
        raise UsageError(
            f"multi_task_loss takes (M, N, K) and (M, N, M); these are {tuple(scores.shape)} and "
            f"{tuple(turns.shape)}."
        )
    which = torch.arange(m, device=named.device).repeat_interleave(n)
    return class_loss(scores, labels) + functional.cross_entropy(named.flatten(0, 1), which)


def label_augmentation_loss(joint: Tensor, labels: Tensor) -> Tensor:
    """SLA's loss in nats: mean cross-entropy with the joint labels.

    joint: (M, N, K, M) as above; labels: y (N,). log(K * M) when all scores are equal. The mean
    over copies and images, as in the official code without `with-large-loss`. Half precision is
    computed in float32. Raises UsageError for shapes that do not fit.
    """
    joint, labels = _checked("label_augmentation_loss", joint, 4, labels)
    target = joint_labels(labels, len(joint))  # (M, N)
    return functional.cross_entropy(joint.flatten(2).flatten(0, 1), target.flatten())


def single(joint: Tensor) -> Tensor:
    """Class scores (N, K) from the untransformed images alone: joint[0, :, :, 0]."""
    return _checked("single", joint, 4)[0][0, :, :, 0]


def aggregate(joint: Tensor) -> Tensor:
    """Class scores (N, K): the mean over j of joint[j, :, :, j].

    Each copy is read in the column of its own transformation; scores are averaged, not
    probabilities. Equal to `single` where scores depend neither on the copy nor on the column.
    """
    return _checked("aggregate", joint, 4)[0].diagonal(dim1=0, dim2=3).mean(dim=-1)


def self_distillation_loss(
    joint: Tensor, head: Tensor, labels: Tensor, temperature: float | Tensor = 1.0
) -> Tensor:
    """SLA with a second head that learns the aggregated prediction.

    L = SLA(joint) + T^2 * KL(softmax(aggregate / T) || softmax(head / T)) + CE(head, y), all
    weights 1 (hankook/SLA, trainers.py). head: (N, K), the scores of the untransformed images.
    No gradient flows into the aggregated prediction. temperature: T, more than 0; 1 there.
    Raises UsageError for shapes that do not fit or a temperature of 0 or less.
    """
    check_knob(temperature, "temperature", "self_distillation_loss", zero=False)
    target = aggregate(joint).detach()  # (N, K)
    if head.shape != target.shape:
        raise UsageError(
            f"self_distillation_loss takes a head of {tuple(target.shape)} for joint scores of "
            f"{tuple(joint.shape)}; it is {tuple(head.shape)}."
        )
    mine = functional.log_softmax(full_precision(head) / temperature, dim=1)
    theirs = functional.log_softmax(target / temperature, dim=1)
    distance = functional.kl_div(mine, theirs, reduction="batchmean", log_target=True)
    plain = class_loss(head[None], labels)
    return label_augmentation_loss(joint, labels) + temperature**2 * distance + plain


def _checked(
    loss: str, scores: Tensor, ndim: int, labels: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Scores in float32 at least, and labels; UsageError, which names `loss`, where they misfit."""
    shape = "(M, N, K, M)" if ndim == 4 else "(M, N, K)"
    if scores.ndim != ndim or not scores.is_floating_point() or not scores.numel() or (
        ndim == 4 and scores.shape[0] != scores.shape[3]
    ):
        raise UsageError(f"{loss} takes floating-point scores {shape}, not {tuple(scores.shape)}.")
    count = scores.shape[1]
    if labels is not None and (labels.shape != (count,) or labels.dtype != torch.int64):
        raise UsageError(
            f"{loss} takes {count} labels as int64, not {labels.dtype} {tuple(labels.shape)}."
        )
    return full_precision(scores), labels
