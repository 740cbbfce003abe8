"""SLA: joint labels, what the losses have in common, aggregation, distillation, mutants."""

from __future__ import annotations

import math

import torch
from changes import normal
from harness import checks
from specs import Spec
from torch import Tensor
from torch.nn import functional

from sslbook.methods import label_augmentation as sla

M, N, K = 4, 5, 3
LABELS = torch.tensor([2, 0, 1, 1, 0])
SHAPES = [(M, N, K), (1, 5, 3), (2, 5, 4)]


def scores(*shape: str):
    """Inputs of a loss: scores of these shapes, written in m, n, k, and the labels."""
    def make(seed: int, m: int = M, n: int = N, k: int = K) -> tuple[Tensor, ...]:
        sizes = {"m": m, "n": n, "k": k}
        drawn = [normal(9 * seed + i, *(sizes[c] for c in one)) for i, one in enumerate(shape)]
        return *drawn, LABELS

    return make


def soft(row: list[float]) -> list[float]:
    total = sum(math.exp(value) for value in row)
    return [math.exp(value) / total for value in row]


def mean_log(rows, places) -> float:
    return -sum(math.log(soft(row)[i]) for row, i in zip(rows, places, strict=True)) / len(rows)


def joint_loops(u: Tensor, y: Tensor) -> float:
    m, n = u.shape[:2]
    return mean_log([u[j, i].flatten().tolist() for j in range(m) for i in range(n)],
                    [int(y[i]) * m + j for j in range(m) for i in range(n)])


def class_loops(a: Tensor, y: Tensor) -> float:
    return mean_log([row.tolist() for copy in a for row in copy], y.tolist() * len(a))


def task_loops(a: Tensor, b: Tensor, y: Tensor) -> float:
    return class_loops(a, y) + mean_log([row.tolist() for copy in b for row in copy],
                                        [j for j in range(len(b)) for _ in y])


def large(inputs: tuple, by: torch.Generator) -> tuple:
    return tuple(1e4 * one if one.is_floating_point() else one for one in inputs)


def misfits(*bad: tuple) -> list[tuple[tuple, str]]:
    return [(one, "takes") for one in bad]


(U, _), (A, B, _) = scores("mnkm")(0), scores("mnk", "mnm")(0)
test_spec = checks(
    Spec(function=sla.label_augmentation_loss, inputs=scores("mnkm"), shapes=SHAPES, descent=5.0,
         loops=joint_loops, finite=[large],
         values=[((torch.zeros(4, 7, 10, 4), torch.arange(7)), math.log(40))],  # the card's 3.689
         refused=misfits((A, LABELS), (U[..., :-1], LABELS), (U.long(), LABELS), (U, LABELS[:-1]),
                         (U, LABELS.float()), (U[:, :0], LABELS[:0])),
         mutants={
             "the label counts transformations first": lambda u, y: functional.cross_entropy(
                 u.flatten(2).flatten(0, 1),
                 (torch.arange(len(u))[:, None] * u.shape[2] + y).flatten()),
             "a sum over the copies": lambda u, y: len(u) * sla.label_augmentation_loss(u, y),
             "the columns are classes of the wrong copy":
                 lambda u, y: sla.label_augmentation_loss(u.flip(0), y),
             "two heads instead of one": lambda u, y: sla.multi_task_loss(
                 u.logsumexp(3), u.logsumexp(2), y),
             "every copy is called upright": lambda u, y: functional.cross_entropy(
                 u.flatten(2).flatten(0, 1), (y * u.shape[3]).repeat(len(u))),
             "the class alone": lambda u, y: sla.class_loss(u.logsumexp(3), y),
             "the untransformed copy alone": lambda u, y: functional.cross_entropy(
                 u[0].flatten(1), y * u.shape[3])}),
    Spec(function=sla.class_loss, inputs=scores("mnk"), shapes=SHAPES, loops=class_loops,
         descent=5.0, refused=misfits((U, LABELS))),
    Spec(function=sla.multi_task_loss, inputs=scores("mnk", "mnm"), shapes=SHAPES, descent=5.0,
         loops=task_loops,
         refused=misfits((A, torch.zeros(M, N, M + 1), LABELS), (A[1:], B, LABELS)),
         right={"joint scores that are sums": lambda a, b, y: sla.label_augmentation_loss(
             a[..., None] + b[:, :, None], y)}))
