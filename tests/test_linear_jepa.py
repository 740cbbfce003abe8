"""Deep linear MAE and JEPA: fixed points, learning times, simulation on theory, gradients."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from sslbook.errors import UsageError
from sslbook.lesson.checks import compare
from sslbook.methods.linear_jepa import (
    OBJECTIVES,
    aligned_start,
    divergent_part,
    fixed_point,
    learning_time,
    linear_loss,
    speed,
)

quick = settings(max_examples=30, deadline=None, derandomize=True)
# A is noisy and covaries more, B is clean.
LAMBD, RHO = torch.tensor([[1.2, 1.0], [0.5, 2.0]], dtype=torch.float64)
# Times of A and B from w = .01 to half of the fixed point, depths 1 to 4. The card counts time L
# times slower than gradient flow.
TIMES = {
    "mae": [(3.090992, 4.402413), (14.301818, 18.219895), (25.318607, 31.384324),
            (34.047033, 41.669064)],
    "jepa": [(86.486367, 101.646652), (774.364160, 721.783864), (2203.088429, 1496.581170),
             (4505.091745, 2219.519839)],
}
both = pytest.mark.parametrize("objective", OBJECTIVES)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def covariances(seed: int, lambd: Tensor, rho: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """sxx, sxy, syy in a random basis, and the basis."""
    d = len(lambd)
    basis = torch.linalg.qr(torch.randn(d, d, generator=generator(seed), dtype=torch.float64)).Q
    variance = (lambd / rho).double()
    made = (variance, lambd.double(), variance + lambd.double() ** 2)
    return *(basis @ torch.diag(one) @ basis.T for one in made), basis


def descend(objective: str, depth: int, eps: float, rate: float, steps: int, seed: int = 0):
    """Gradient descent; (steps + 1, 2) of w, the encoder's entries in the data's basis."""
    *sigma, basis = covariances(seed, LAMBD, RHO)
    layers, head = aligned_start(2, depth, eps, generator(seed))
    path = []
    for _ in range(steps + 1):
        encoder = layers[0]
        for layer in layers[1:]:
            encoder = layer @ encoder
        path.append((basis.T @ encoder @ basis).diagonal())
        parts = [one.detach().requires_grad_() for one in (*layers, head)]
        loss = linear_loss(parts[:-1], parts[-1], *sigma, objective)
        moved = [p.detach() - rate * g
                 for p, g in zip(parts, torch.autograd.grad(loss, parts), strict=True)]
        layers, head = moved[:-1], moved[-1]
    return torch.stack(path)


def half_time(path: Tensor, rate: float, goal: Tensor) -> list[float]:
    return [float((path[:, i] >= goal[i] / 2).double().argmax()) * rate for i in range(2)]


# -- theory ---------------------------------------------------------------------------------------


@both
@pytest.mark.parametrize("depth", [1, 2, 3, 4])
def test_learning_times_have_the_cards_values(objective: str, depth: int) -> None:
    time = depth * learning_time(LAMBD, RHO, depth, objective, 0.01)
    assert time.tolist() == pytest.approx(list(TIMES[objective][depth - 1]), rel=1e-6)


def test_who_comes_first() -> None:
    for depth in (1, 2, 3, 4):
        a, b = learning_time(LAMBD, RHO, depth, "mae", 0.01)
        assert a < b
        a, b = learning_time(LAMBD, RHO, depth, "jepa", 0.01)
        assert (a < b) == (depth == 1)
    ratios = [float(torch.div(*learning_time(LAMBD, RHO, n, "jepa", 0.01))) for n in (1, 2, 3, 4)]
    assert ratios == pytest.approx([0.850853, 1.072848, 1.472081, 2.029760], abs=1e-6)


def test_fixed_points() -> None:
    assert fixed_point(RHO, 2, "jepa").tolist() == pytest.approx([0.25, 4.0])
    assert fixed_point(RHO, 2, "mae").tolist() == pytest.approx([0.6300, 1.5874], abs=5e-5)
    for objective in OBJECTIVES:
        for depth in (1, 2, 5):
            rest = fixed_point(RHO, depth, objective)
            assert speed(rest, LAMBD, RHO, depth, objective).abs().max() < 1e-9
            assert (speed(0.9 * rest, LAMBD, RHO, depth, objective) > 0).all()
            assert (speed(1.1 * rest, LAMBD, RHO, depth, objective) < 0).all()


def test_the_start_is_slow_by_a_power() -> None:
    for depth in (1, 2, 3):
        for power, objective in ((2, "mae"), (3, "jepa")):
            small = speed(1e-9, 1.3, 0.8, depth, objective)
            expected = depth * 1.3 * 1e-9 ** (power - 1 / depth)
            assert float(small) == pytest.approx(expected, rel=1e-2)


def test_closed_form_of_the_shallow_autoencoder() -> None:
    """L = 1: the integral of dw / (lambd w (1 - w^2 / rho)) by partial fractions."""
    for lambd, rho in ((1.2, 0.5), (1.0, 2.0)):
        goal = 0.5 * math.sqrt(rho)

        def primitive(w: float, lambd: float = lambd, rho: float = rho) -> float:
            return (math.log(w) - 0.5 * math.log(1 - w * w / rho)) / lambd

        time = float(learning_time(lambd, rho, 1, "mae", 0.01))
        assert time == pytest.approx(primitive(goal) - primitive(0.01), rel=1e-10)


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_closed_form_of_the_jepa(depth: int) -> None:
    """In v = w^(1/L) the integrand is 1 / (lambd v^(2L) (1 - v / rho)): partial fractions."""
    lambd, rho, eps = 0.9, 1.3, 0.02

    def primitive(v: float) -> float:
        terms = sum(rho ** (k - 2 * depth) * v ** (1 - k) / (1 - k)
                    for k in range(2, 2 * depth + 1))
        logs = rho ** (1 - 2 * depth) * (math.log(v) - math.log(1 - v / rho))
        return (terms + logs) / lambd

    expected = primitive(0.5 ** (1 / depth) * rho) - primitive(eps ** (1 / depth))
    assert float(learning_time(lambd, rho, depth, "jepa", eps)) == pytest.approx(expected, rel=1e-9)


def test_the_divergent_part_has_the_cards_values_and_becomes_all_of_it() -> None:
    found = 2 * divergent_part(LAMBD, RHO, 2, 0.01)
    assert found.tolist() == pytest.approx([788.888889, 721.666667], abs=1e-5)
    found = 3 * divergent_part(LAMBD, RHO, 3, 0.01)
    assert found.tolist() == pytest.approx([2391.856305, 1496.630258], abs=1e-5)
    gaps = [float((learning_time(LAMBD, RHO, 2, "jepa", eps)
                   / divergent_part(LAMBD, RHO, 2, eps) - 1).abs().max())
            for eps in (1e-2, 1e-3, 1e-4)]
    assert gaps[0] > 3 * gaps[1] > 9 * gaps[2]


def test_the_autoencoders_divergent_time_knows_no_noise() -> None:
    """L > 1: eps^(1/L - 1) / ((L - 1) lambd), whatever rho."""
    for rho in (0.5, 2.0):
        time = float(learning_time(1.0, rho, 3, "mae", 1e-9))
        assert time == pytest.approx(1e-9 ** (1 / 3 - 1) / 2, rel=1e-4)


@quick
@given(st.floats(0.3, 3), st.floats(0.6, 3), st.integers(1, 4), st.sampled_from(OBJECTIVES))
def test_time_scales_with_the_covariance_and_falls_with_the_slope(lambd, rho, depth, kind) -> None:
    time = float(learning_time(lambd, rho, depth, kind, 1e-3))
    assert time > 0
    assert float(learning_time(2 * lambd, rho, depth, kind, 1e-3)) == pytest.approx(time / 2)
    if kind == "jepa" and depth > 1:
        assert float(learning_time(lambd, 1.2 * rho, depth, kind, 1e-3)) < time


def test_a_start_above_the_goal_shows_as_negative_time() -> None:
    """The card's trap: rho = .5, L = 4, eps = .05 starts above half of .0625."""
    assert float(learning_time(1.2, 0.5, 4, "jepa", 0.05)) < 0


# -- the network ----------------------------------------------------------------------------------


@both
@pytest.mark.parametrize("depth", [1, 2, 3])
def test_one_small_step_of_matrices_moves_as_the_equation_says(objective: str, depth: int) -> None:
    rate, eps = 1e-5, 0.3
    path = descend(objective, depth, eps, rate, 1)
    expected = speed(path[0], LAMBD, RHO, depth, objective)
    assert torch.allclose((path[1] - path[0]) / rate, expected, rtol=1e-3)


@pytest.mark.parametrize(("objective", "rate", "steps", "times", "rest"), [
    ("mae", 4e-3, 2500, (2.60, 3.60), (0.6300, 1.5874)),
    ("jepa", 2e-2, 4600, (41.4, 36.0), (0.25, 4.0)),
])
def test_descent_has_the_cards_times_and_fixed_points(objective, rate, steps, times, rest) -> None:
    path = descend(objective, 2, 0.05, rate, steps)
    assert path[-1].tolist() == pytest.approx(list(rest), abs=2e-3)
    goal = fixed_point(RHO, 2, objective)
    found = half_time(path, rate, goal)
    assert found == pytest.approx(list(times), abs=0.21)
    theory = learning_time(LAMBD, RHO, 2, objective, 0.05).tolist()
    assert found == pytest.approx(theory, rel=0.02)
    assert (found[0] < found[1]) == (objective == "mae")


@pytest.mark.parametrize("depth", [1, 2, 4])
def test_the_start_is_balanced_and_aligned(depth: int) -> None:
    layers, head = aligned_start(3, depth, 0.01, generator())
    encoder = layers[0]
    for before, after in zip(layers, [*layers[1:], head], strict=True):
        assert torch.allclose(before @ before.T, after.T @ after, atol=1e-12)
    for layer in layers[1:]:
        encoder = layer @ encoder
    assert torch.allclose(encoder, 0.01 * torch.eye(3, dtype=torch.float64), atol=1e-12)
    assert len(layers) == depth
    if depth > 1:
        assert float((layers[0] - layers[0].diagonal().diag()).abs().max()) > 1e-3


def network(seed: int, depth: int) -> tuple[list[Tensor], Tensor, Tensor, Tensor, Tensor]:
    one = generator(seed)
    layers = [torch.randn(3, 3, generator=one, dtype=torch.float64) for _ in range(depth)]
    head = torch.randn(3, 3, generator=one, dtype=torch.float64)
    data = torch.randn(6, 12, generator=one, dtype=torch.float64)
    sigma = data @ data.T / 12
    return layers, head, sigma[:3, :3], sigma[:3, 3:], sigma[3:, 3:]


@both
def test_the_loss_is_the_mean_over_samples(objective: str) -> None:
    one = generator(4)
    x, y = torch.randn(2, 50, 3, generator=one, dtype=torch.float64)
    layers, head, *_ = network(5, 2)
    encoder = layers[1] @ layers[0]
    goal = y if objective == "mae" else y @ encoder.T
    by_hand = (x @ (head @ encoder).T - goal).square().sum(dim=1).mean() / 2
    found = linear_loss(layers, head, x.T @ x / 50, x.T @ y / 50, y.T @ y / 50, objective)
    assert float(found) == pytest.approx(float(by_hand), rel=1e-12)


@both
def test_gradients(objective: str) -> None:
    """By finite differences, with the target held where the gradient stops."""
    layers, head, sxx, sxy, syy = network(1, 2)
    layers = [layer.requires_grad_() for layer in layers]
    linear_loss(layers, head, sxx, sxy, syy, objective).backward()
    still = (layers[1] @ layers[0]).detach() if objective == "jepa" else None

    def value(first: Tensor) -> float:
        whole = head @ layers[1].detach() @ first
        goal = torch.eye(3, dtype=torch.float64) if still is None else still
        error = whole @ sxx @ whole.T / 2 + goal @ syy @ goal.T / 2 - whole @ sxy @ goal.T
        return float(error.trace())

    for i in range(3):
        shift = torch.zeros(3, 3, dtype=torch.float64)
        shift[i, (i + 1) % 3] = 1e-6
        base = layers[0].detach()
        slope = (value(base + shift) - value(base - shift)) / 2e-6
        assert float(layers[0].grad[i, (i + 1) % 3]) == pytest.approx(slope, rel=1e-5, abs=1e-7)


def test_what_is_refused() -> None:
    with pytest.raises(UsageError, match="mae or jepa"):
        speed(0.1, 1.0, 1.0, 2, "simclr")
    with pytest.raises(UsageError, match="whole number"):
        fixed_point(1.0, 0, "mae")
    with pytest.raises(UsageError, match="more than 0"):
        learning_time(-1.0, 1.0, 2, "mae", 0.01)
    with pytest.raises(UsageError, match="share"):
        learning_time(1.0, 1.0, 2, "mae", 0.01, share=1.0)
    with pytest.raises(UsageError, match="more than 0"):
        aligned_start(2, 2, 0.0, generator())


# -- wrong answers are told apart -----------------------------------------------------------------


def other_loss(layers, head, sxx, sxy, syy, objective, *, stop=True, cross=1.0, spread=1.0,
               turn=False):
    encoder = torch.linalg.multi_dot(layers[::-1]) if len(layers) > 1 else layers[0]
    whole = head @ encoder
    goal = torch.eye(3, dtype=torch.float64)
    if objective == "jepa":
        goal = encoder.detach() if stop else encoder
    sxy = sxy.T if turn else sxy
    return (spread * 0.5 * (whole @ sxx @ whole.T + goal @ syy @ goal.T).trace()
            - cross * (whole @ sxy @ goal.T).trace())


CASES = [(*network(seed, depth), objective) for seed, depth in ((0, 1), (1, 2), (2, 3))
         for objective in OBJECTIVES]
WRONG = {
    "no stop-gradient": {"stop": False},
    "half of the cross term": {"cross": 0.5},
    "no half": {"spread": 2.0},
    "the cross covariance is turned over": {"turn": True},
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_loss_is_rejected(name: str) -> None:
    assert not compare(lambda *a: other_loss(*a, **WRONG[name]), linear_loss, CASES)[0]


def test_the_right_loss_is_accepted() -> None:
    assert compare(other_loss, linear_loss, CASES)[0]


SPEEDS = [(0.3, 1.2, 0.5, 2), (0.7, 1.0, 2.0, 3), (0.2, 0.8, 1.5, 1)]
WRONG_SPEED = {
    "the depth is not in the power": lambda w, lam, rho, n: n * (lam * w**2 - lam / rho * w**3),
    "the noise is left out": lambda w, lam, rho, n: n * (lam * w ** (3 - 1 / n) - lam * w**3),
    "the autoencoder's power": lambda w, lam, rho, n: n * lam * (w ** (2 - 1 / n) - w**3 / rho),
    "time is that of one layer": lambda w, lam, rho, n: lam * (w ** (3 - 1 / n) - w**3 / rho),
}


@pytest.mark.parametrize("name", WRONG_SPEED)
def test_a_wrong_speed_is_rejected(name: str) -> None:
    def twin(w, lam, rho, n):
        return speed(w, lam, rho, n, "jepa")

    tensors = [tuple(torch.tensor(v, dtype=torch.float64) for v in case[:3]) + case[3:]
               for case in SPEEDS]
    assert not compare(WRONG_SPEED[name], twin, tensors)[0]
