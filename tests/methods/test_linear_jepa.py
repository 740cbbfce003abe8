"""Deep linear MAE and JEPA: the loss of matrices, its descent on the theory, wrong answers."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from changes import normal
from harness import checks
from specs import Spec
from torch import Tensor

from sslbook.methods.linear_jepa import (
    OBJECTIVES,
    fixed_point,
    linear_loss,
    speed,
)

# Feature A is noisy and covaries more, feature B is clean.
LAMBD, RHO = torch.tensor([[1.2, 1.0], [0.5, 2.0]], dtype=torch.float64)
both = pytest.mark.parametrize("objective", OBJECTIVES)


def network(seed: int, depth: int) -> tuple[list[Tensor], Tensor, Tensor, Tensor, Tensor]:
    data = normal(seed, 6, 12)
    sigma = data @ data.T / 12
    layers = list(normal(seed + 50, depth, 3, 3))
    return layers, normal(seed + 99, 3, 3), sigma[:3, :3], sigma[:3, 3:], sigma[3:, 3:]


def other_loss(layers, head, sxx, sxy, syy, objective, *, stop=torch.Tensor.detach, cross=1.0,
               spread=1.0, turn=False):
    encoder = torch.linalg.multi_dot(layers[::-1]) if len(layers) > 1 else layers[0]
    whole = head @ encoder
    goal = stop(encoder) if objective == "jepa" else torch.eye(3, dtype=torch.float64)
    sxy = sxy.T if turn else sxy
    return (spread * 0.5 * (whole @ sxx @ whole.T + goal @ syy @ goal.T).trace()
            - cross * (whole @ sxy @ goal.T).trace())


def of_samples(layers, head, x, y, objective):
    """The mean over samples, whose moments are the covariances."""
    encoder = layers[1] @ layers[0]
    goal = y if objective == "mae" else y @ encoder.detach().T
    return (x @ (head @ encoder).T - goal).square().sum(dim=1).mean() / 2


def by_moments(layers, head, x, y, objective):
    n = len(x)
    return linear_loss(layers, head, x.T @ x / n, x.T @ y / n, y.T @ y / n, objective)


def speed_of(w, lambd, rho, depth):
    return speed(w, lambd, rho, depth, "jepa")


SMALL = {"inputs": lambda seed: (), "shapes": [()], "gradcheck": False, "half": False}
test_spec = checks(
    Spec(function=linear_loss, **SMALL, right={"other": other_loss},
         cases=[(*network(seed, depth), objective) for seed, depth in ((0, 1), (1, 2), (2, 3))
                for objective in OBJECTIVES],
         mutants={"no stop-gradient": partial(other_loss, stop=lambda w: w),
                  "half of the cross term": partial(other_loss, cross=0.5),
                  "no half": partial(other_loss, spread=2.0),
                  "the cross covariance is turned over": partial(other_loss, turn=True)}),
    Spec(function=by_moments, **SMALL, right={"the mean over samples": of_samples},
         cases=[(*network(5, 2)[:2], *normal(4, 2, 50, 3), objective) for objective in OBJECTIVES]),
    Spec(function=speed_of, **SMALL, right={
        "by hand": lambda w, lam, rho, n: n * lam * (w ** (3 - 1 / n) - w**3 / rho)},
         cases=[(*torch.tensor(case, dtype=torch.float64), depth) for *case, depth in
                ((0.3, 1.2, 0.5, 2), (0.7, 1.0, 2.0, 3), (0.2, 0.8, 1.5, 1))],
         mutants={
             "the depth is not in the power": lambda w, lam, rho, n: n * lam * (w**2 - w**3 / rho),
             "the noise is left out": lambda w, lam, rho, n: n * lam * (w ** (3 - 1 / n) - w**3),
             "the autoencoder's": lambda w, lam, rho, n: n * lam * (w ** (2 - 1 / n) - w**3 / rho),
             "one layer's time": lambda w, lam, rho, n: lam * (w ** (3 - 1 / n) - w**3 / rho)}),
    Spec(function=speed, **SMALL, cases=[(0.3, 1.0, 1.0, 2, "mae")],
         refused=[((0.1, 1.0, 1.0, 2, "simclr"), "mae or jepa")]),
    Spec(function=fixed_point, **SMALL, cases=[(1.0, 2, "mae")],
         values=[((RHO, 2, "jepa"), [0.25, 4.0]), ((RHO, 2, "mae"), [0.629961, 1.587401])],
         refused=[((1.0, 0, "mae"), "whole number"), ((1.0, True, "mae"), "whole number")]))
