"""DirectPred's linear theory: the flow, where it rests, and which modes die."""

from __future__ import annotations

import pytest
import torch
from changes import normal
from torch import Tensor

from sslbook.errors import UsageError
from sslbook.methods.directpred import fixed_points, linear_flow

NOISE, RATE = 0.25, 0.25  # sigma = .5; where a step of Euler's rests does not depend on its length
EYE = torch.eye(5, dtype=torch.float64)


def rest(kind: str, decay: float, steps: int, scale: float = 0.3) -> Tensor:
    """Eigenvalues of W W^T after Euler steps of the population gradient, D=5, d=8."""
    weight, learned = scale * normal(0, 5, 8), 0.3 * EYE
    for _ in range(steps):
        moment = (1 + NOISE) * weight @ weight.T
        if kind == "root":
            values, vectors = torch.linalg.eigh(moment)
            predictor = vectors * values.clamp_min(0).sqrt() @ vectors.T
        else:
            predictor = {"copy": moment, "learned": learned, "none": EYE}[kind]
        by_weight, by_predictor = linear_flow(weight, predictor, NOISE, decay)
        weight, learned = weight + RATE * by_weight, learned + RATE * by_predictor
    return torch.linalg.eigvalsh(weight @ weight.T)


@pytest.mark.parametrize(("kind", "decay", "value"), [
    ("root", 0.0, 0.512), ("root", 0.01, 0.499118), ("copy", 0.01, 0.631897)])
def test_the_linear_model_rests_where_the_theory_says(kind, decay, value) -> None:
    """The card's computed rest points, and their closed form."""
    p = fixed_points(NOISE, decay)[1]
    closed = p**2 / (1 + NOISE) if kind == "root" else p / (1 + NOISE)
    assert closed == pytest.approx(value, abs=6e-7)
    found = rest(kind, decay, 1200, scale=0.3)
    assert torch.allclose(found, torch.full_like(found, value), atol=1e-5)


def test_the_learned_predictor_rests_on_the_parabola() -> None:
    found = rest("learned", 0.01, 3200)
    p = fixed_points(NOISE, 0.01)[1]
    assert torch.allclose(found, torch.full_like(found, p**2), atol=1e-3)


def test_what_has_no_predictor_or_too_much_decay_dies() -> None:
    bound = 1 / (4 * (1 + NOISE))
    assert float(rest("none", 0.0, 600).max()) < 1e-6
    assert float(rest("root", 1.1 * bound, 600).max()) < 1e-4
    assert float(rest("root", 0.9 * bound, 600, scale=0.6).min()) > 0.1


def test_flow_is_the_gradient_of_the_population_loss() -> None:
    weight, predictor = normal(3, 3, 4).requires_grad_(), normal(4, 3, 3).requires_grad_()
    # 1/2 E|P W x1 - T x2|^2 with E x1 x1^T = (1 + noise) I, E x1 x2^T = I
    both, target = predictor @ weight, weight.detach()
    loss = (1 + NOISE) * both.square().sum() / 2 - (both * target).sum()
    decay = 0.02 * (weight.square().sum() + predictor.square().sum()) / 2
    expected = torch.autograd.grad(-(loss + decay), (weight, predictor))
    found = linear_flow(weight, predictor, NOISE, 0.02)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)


def test_a_learned_predictor_keeps_its_invariant() -> None:
    """Without decay W W^T - W_p^2 stays as it was, for a symmetric predictor that commutes."""
    weight, predictor = 0.3 * torch.eye(3).double(), 0.5 * torch.eye(3).double()
    before = weight @ weight.T - predictor @ predictor
    for _ in range(2000):
        steps = linear_flow(weight, predictor, NOISE, 0.0)
        weight, predictor = weight + 1e-3 * steps[0], predictor + 1e-3 * steps[1]
    assert torch.allclose(weight @ weight.T - predictor @ predictor, before, atol=1e-3)
    assert float(predictor[0, 0]) > 0.55  # it has moved


def test_fixed_points_solve_their_equation() -> None:
    for decay in (0.0, 0.01, 0.1, 0.2):
        for p in fixed_points(NOISE, decay):
            assert p * (1 - (1 + NOISE) * p) == pytest.approx(decay, abs=1e-12)
    assert fixed_points(NOISE, 0.01)[1] == pytest.approx(0.789872, abs=6e-7)
    low, high = fixed_points(NOISE, 0.2)
    assert low == pytest.approx(high, abs=1e-6)  # where they meet
    with pytest.raises(UsageError, match="No mode survives"):
        fixed_points(NOISE, 0.2001)
