"""BYOL and SimSiam: their identity, the stop-gradient, the moving average, mutants."""

from __future__ import annotations

import changes
import pytest
import torch
import torch.nn.functional as F
from changes import A, B, normal, order, rotation, row_scale, swap, zero_rows
from harness import checks
from specs import Spec
from torch import Tensor

from sslbook.lesson.checks import compare
from sslbook.methods.byol import byol_loss, cosines, simsiam_loss


def four(seed: int, n: int = 6, d: int = 4) -> tuple[Tensor, ...]:
    """Predictions and targets of both views: p1, p2, z1, z2."""
    return tuple(normal(seed, 4, n, d))


def other_targets(inputs: tuple, by: torch.Generator) -> tuple:
    p1, p2, z1, z2 = inputs
    return p2, p1, z1, z2


def loops(p1: Tensor, p2: Tensor, z1: Tensor, z2: Tensor) -> float:
    total = 0.0
    for p, z in ((p1, z2), (p2, z1)):
        for one, other in zip(p, z, strict=True):
            distance = one / one.norm() - other / other.norm()
            total += float(distance @ distance) / len(p)
    return total


def lightly(p1: Tensor, p2: Tensor, z1: Tensor, z2: Tensor) -> Tensor:
    theirs = pytest.importorskip("lightly.loss").NegativeCosineSimilarity()
    return (theirs(p1, z2) + theirs(p2, z1)) / 2


def distance(p: Tensor, z: Tensor) -> Tensor:
    return (F.normalize(p, dim=1) - F.normalize(z, dim=1)).square().sum(dim=1)


def crossed(term=distance, over=torch.mean, stop=torch.Tensor.detach):
    return lambda p1, p2, z1, z2: over(term(p1, stop(z2))) + over(term(p2, stop(z1)))


NO_STOP = crossed(stop=lambda z: z)
LOSS = {"inputs": four, "unchanged_by": [rotation, row_scale, order, swap], "stopped": (2, 3),
        "changed_by": [other_targets], "finite": [zero_rows], "descent": 1.0,
        "refused": changes.unlike_views(lambda p, z: (p, p, z, z))}
test_spec = checks(
    Spec(function=byol_loss, **LOSS, loops=loops,
         values=[((A, B, A, B), 4.044298), ((A, B, B, A), 0), ((A, B, -B, -A), 8)],
         right={"by distances": crossed(),
                "by SimSiam": lambda *tensors: 4 + 4 * simsiam_loss(*tensors)},
         mutants={
             "no stop-gradient": NO_STOP,
             "the gradient of the prediction is stopped": lambda p1, p2, z1, z2: NO_STOP(
                 p1.detach(), p2.detach(), z1, z2),
             "each view is compared with itself": lambda p1, p2, z1, z2: crossed()(p1, p2, z2, z1),
             "one view alone": lambda p1, p2, z1, z2: 2 * distance(p1, z2.detach()).mean(),
             "vectors are not normalised": crossed(lambda p, z: (p - z).square().sum(dim=1)),
             "a sum over the batch": crossed(over=torch.sum),
             "columns are normalised": crossed(lambda p, z: distance(p.T, z.T)),
             "the sign": lambda *tensors: -crossed()(*tensors)}),
    Spec(function=simsiam_loss, **LOSS, values=[((A, B, A, B), 0.011075), ((A, B, B, A), -1)],
         loops=lambda *tensors: loops(*tensors) / 4 - 1, oracle=lightly, oracle_within=1e-9))


# -- what is special to BYOL ----------------------------------------------------------------------


def test_without_a_predictor_the_stop_gradient_only_halves_the_gradient() -> None:
    z1, z2, *_ = (t.requires_grad_() for t in four(9))
    stopped = torch.autograd.grad(byol_loss(z1, z2, z1, z2), (z1, z2))
    free = 2 * (2 - 2 * F.cosine_similarity(z1, z2, dim=1)).mean()
    for one, other in zip(stopped, torch.autograd.grad(free, (z1, z2)), strict=True):
        assert torch.allclose(2 * one, other, atol=1e-14)
        assert other.abs().max() > 1e-3


def test_a_missing_stop_gradient_is_called_by_its_name() -> None:
    assert "stop-gradient" in compare(NO_STOP, byol_loss, [four(1, 8, 3)])[1]
    assert float((2 - 2 * cosines(A, B)).mean()) == pytest.approx(2.022149, abs=6e-7)


@pytest.mark.parametrize(("predictor", "loss", "slope"), [
    ([1.0, 1.0], byol_loss, [-0.15, 0.15]), ([0.8, 0.5], byol_loss, [0.0, 0.0]),
    ([0.8, 0.5], NO_STOP, [-0.2923, 0.2923])])
def test_only_both_parts_together_leave_the_noisier_direction_alone(predictor, loss, slope) -> None:
    one = normal(3, 40, 2).sign()
    other = one.clone()  # two views of two signs, of correlation 0.8 and 0.5
    other[:4, 0] *= -1
    other[:10, 1] *= -1
    w, q = torch.ones(2).double().requires_grad_(), torch.tensor(predictor).double()
    (loss(q * w * one, q * w * other, w * one, w * other) / 2).backward()
    assert torch.allclose(w.grad, torch.tensor(slope).double(), atol=5e-5)
