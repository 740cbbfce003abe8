"""Deep linear MAE and JEPA: descent of matrices goes as the theory says."""

from __future__ import annotations

import pytest
import torch
from changes import normal
from test_linear_jepa import LAMBD, RHO, both
from torch import Tensor

from sslbook.methods.linear_jepa import (
    fixed_point,
    learning_time,
    linear_loss,
    speed,
)


def aligned_start(dim: int, depth: int, eps: float) -> tuple[list[Tensor], Tensor]:
    """Layers and head that are eps^(1/L) times rotations, which cancel: the encoder is eps I."""
    inner = [torch.linalg.qr(one).Q for one in normal(0, depth - 1, dim, dim)]
    turns = [torch.eye(dim, dtype=torch.float64)] * (depth + 1)
    turns[1:depth] = inner
    scale = eps ** (1 / depth)
    return [scale * turns[i + 1] @ turns[i].T for i in range(depth)], scale * turns[0]


def descend(objective: str, depth: int, eps: float, rate: float, steps: int) -> Tensor:
    """Gradient descent in a random basis; (steps + 1, 2) of w, the encoder's entries in it."""
    basis, variance = torch.linalg.qr(normal(0, 2, 2)).Q, LAMBD / RHO
    sigma = [basis @ torch.diag(one) @ basis.T for one in (variance, LAMBD, variance + LAMBD**2)]
    layers, head = aligned_start(2, depth, eps)
    path = []
    for _ in range(steps + 1):
        encoder = torch.linalg.multi_dot(layers[::-1]) if depth > 1 else layers[0]
        path.append((basis.T @ encoder @ basis).diagonal())
        parts = [one.detach().requires_grad_() for one in (*layers, head)]
        loss = linear_loss(parts[:-1], parts[-1], *sigma, objective)
        *layers, head = (p.detach() - rate * g
                         for p, g in zip(parts, torch.autograd.grad(loss, parts), strict=True))
    return torch.stack(path)


@both
@pytest.mark.parametrize("depth", [1, 2, 3])
def test_one_small_step_of_matrices_moves_as_the_equation_says(objective: str, depth: int) -> None:
    path = descend(objective, depth, 0.3, 1e-5, 1)
    expected = speed(path[0], LAMBD, RHO, depth, objective)
    assert torch.allclose((path[1] - path[0]) / 1e-5, expected, rtol=1e-3)


@pytest.mark.parametrize(("objective", "rate", "steps", "times", "rest"), [
    ("mae", 1e-2, 1000, (2.60, 3.60), (0.6300, 1.5874)),
    ("jepa", 5e-2, 1840, (41.4, 36.0), (0.25, 4.0))])
def test_descent_has_the_cards_times_and_fixed_points(objective, rate, steps, times, rest) -> None:
    path = descend(objective, 2, 0.05, rate, steps)
    assert path[-1].tolist() == pytest.approx(list(rest), abs=2e-3)
    half = fixed_point(RHO, 2, objective) / 2
    found = [float((path[:, i] >= half[i]).double().argmax()) * rate for i in range(2)]
    assert found == pytest.approx(list(times), abs=0.21)
    assert found == pytest.approx(learning_time(LAMBD, RHO, 2, objective, 0.05).tolist(), rel=0.02)
    assert (found[0] < found[1]) == (objective == "mae")
