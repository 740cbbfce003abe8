"""SLA: aggregation over transformations, and the head that learns it."""

from __future__ import annotations

import math

import torch
from changes import normal
from harness import checks
from specs import Spec, positive
from test_label_augmentation import (
    LABELS,
    SHAPES,
    A,
    K,
    M,
    N,
    U,
    class_loops,
    joint_loops,
    large,
    misfits,
    scores,
    soft,
)
from torch import Tensor
from torch.nn import functional

from sslbook.methods import label_augmentation as sla


def joint(seed: int = 0, m: int = M, n: int = N, k: int = K) -> tuple[Tensor]:
    return scores("mnkm")(seed, m, n, k)[:1]


def aggregate_loops(u: Tensor) -> Tensor:
    m, n, k, _ = u.shape
    return torch.tensor([[sum(float(u[j, i, c, j]) for j in range(m)) / m for c in range(k)]
                         for i in range(n)], dtype=torch.float64)


def distilled_loops(u: Tensor, head: Tensor, y: Tensor, temperature: float) -> float:
    distance = 0.0
    for theirs, mine in zip(aggregate_loops(u) / temperature, head / temperature, strict=True):
        p, q = soft(theirs.tolist()), soft(mine.tolist())
        distance += sum(a * math.log(a / b) for a, b in zip(p, q, strict=True)) / len(y)
    return joint_loops(u, y) + temperature**2 * distance + class_loops(head[None], y)


def distilled(u, v, y, distance):
    return sla.label_augmentation_loss(u, y) + functional.cross_entropy(v, y) + distance


def distillation_of_the_head(head):
    return sla.self_distillation_loss(U, head, LABELS, 2.0)


test_spec = checks(
    Spec(function=sla.aggregate, inputs=joint, shapes=SHAPES, loops=aggregate_loops,
         refused=misfits((A,)),
         mutants={
             "probabilities are averaged": lambda u: u.diagonal(
                 dim1=0, dim2=3).softmax(1).mean(-1).log(),
             "all columns are averaged": lambda u: u.mean(dim=(0, 3)),
             "the first column of every copy": lambda u: u[..., 0].mean(0),
             "a sum": lambda u: u.diagonal(dim1=0, dim2=3).sum(-1)}),
    Spec(function=sla.single, inputs=joint, shapes=SHAPES, loops=lambda u: u[0, :, :, 0],
         refused=misfits((A,))),
    Spec(function=sla.self_distillation_loss, inputs=scores("mnkm", "nk"), shapes=SHAPES[:2],
         knobs={"temperature": positive(1.0, 3.0)}, loops=distilled_loops, finite=[large],
         descent=5.0, gradcheck=False,  # finite differences see the aggregate move
         refused=misfits((U, torch.zeros(N, K + 1), LABELS)),
         mutants={
             "the target gets a gradient": lambda u, v, y, t: distilled(u, v, y, functional.kl_div(
                 (v / t).log_softmax(1), (sla.aggregate(u) / t).softmax(1),
                 reduction="batchmean") * t**2),
             "the divergence the other way round": lambda u, v, y, t: distilled(
                 u, v, y, functional.kl_div((sla.aggregate(u).detach() / t).log_softmax(1),
                                            (v / t).softmax(1), reduction="batchmean") * t**2),
             "the labels are forgotten": lambda u, v, y, t: (
                 sla.self_distillation_loss(u, v, y, t) - functional.cross_entropy(v, y))}),
    Spec(function=distillation_of_the_head, inputs=lambda seed: (normal(seed, N, K),), shapes=[()],
         half=False))
