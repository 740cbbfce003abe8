"""Deep linear MAE and JEPA: learning times, fixed points, and descent beside the theory."""

from __future__ import annotations

import math

import pytest
from test_linear_jepa import LAMBD, RHO, both

from sslbook.errors import UsageError
from sslbook.methods.linear_jepa import (
    divergent_part,
    fixed_point,
    learning_time,
    speed,
)

# Times of A and B from w = .01 to half of the fixed point, depths 1 to 4. The card counts time L
# times slower than gradient flow.
TIMES = {
    "mae": [(3.090992, 4.402413), (14.301818, 18.219895), (25.318607, 31.384324),
            (34.047033, 41.669064)],
    "jepa": [(86.486367, 101.646652), (774.364160, 721.783864), (2203.088429, 1496.581170),
             (4505.091745, 2219.519839)],
}


@both
def test_learning_times_have_the_cards_values_and_order(objective: str) -> None:
    for depth in (1, 2, 3, 4):
        a, b = depth * learning_time(LAMBD, RHO, depth, objective, 0.01)
        assert (float(a), float(b)) == pytest.approx(TIMES[objective][depth - 1], rel=1e-6)
        assert (a < b) == (objective == "mae" or depth == 1)


@both
def test_w_rests_at_its_fixed_point_and_starts_slowly_by_a_power(objective: str) -> None:
    for depth in (1, 2, 5):
        rest = fixed_point(RHO, depth, objective)
        assert speed(rest, LAMBD, RHO, depth, objective).abs().max() < 1e-9
        assert (speed(0.9 * rest, LAMBD, RHO, depth, objective) > 0).all()
        assert (speed(1.1 * rest, LAMBD, RHO, depth, objective) < 0).all()
        power = 2 if objective == "mae" else 3
        expected = depth * 1.3 * 1e-9 ** (power - 1 / depth)
        assert float(speed(1e-9, 1.3, 0.8, depth, objective)) == pytest.approx(expected, rel=1e-2)


def test_closed_form_of_the_shallow_autoencoder() -> None:
    """L = 1: the integral of dw / (lambd w (1 - w^2 / rho)) by partial fractions."""
    for lambd, rho in ((1.2, 0.5), (1.0, 2.0)):
        def primitive(w: float, lambd: float = lambd, rho: float = rho) -> float:
            return (math.log(w) - 0.5 * math.log(1 - w * w / rho)) / lambd

        time = float(learning_time(lambd, rho, 1, "mae", 0.01))
        assert time == pytest.approx(primitive(0.5 * math.sqrt(rho)) - primitive(0.01), rel=1e-10)


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
    for depth, values in ((2, [788.888889, 721.666667]), (3, [2391.856305, 1496.630258])):
        found = depth * divergent_part(LAMBD, RHO, depth, 0.01)
        assert found.tolist() == pytest.approx(values, abs=1e-5)
    gaps = [float((learning_time(LAMBD, RHO, 2, "jepa", eps)
                   / divergent_part(LAMBD, RHO, 2, eps) - 1).abs().max())
            for eps in (1e-2, 1e-3, 1e-4)]
    assert gaps[0] > 3 * gaps[1] > 9 * gaps[2]
    for rho in (0.5, 2.0):  # the autoencoder's knows no noise: eps^(1/L - 1) / ((L - 1) lambd)
        time = float(learning_time(1.0, rho, 3, "mae", 1e-9))
        assert time == pytest.approx(1e-9 ** (1 / 3 - 1) / 2, rel=1e-4)


@both
@pytest.mark.parametrize(("lambd", "rho"), [(0.3, 0.6), (3.0, 0.6), (1.0, 1.7), (0.3, 3.0)])
def test_time_scales_with_the_covariance_and_falls_with_the_slope(lambd, rho, objective) -> None:
    for depth in (1, 2, 3, 4):
        time = float(learning_time(lambd, rho, depth, objective, 1e-3))
        assert time > 0
        twice = float(learning_time(2 * lambd, rho, depth, objective, 1e-3))
        assert twice == pytest.approx(time / 2)
        if objective == "jepa" and depth > 1:
            assert float(learning_time(lambd, 1.2 * rho, depth, objective, 1e-3)) < time


def test_what_the_learning_time_refuses_and_its_trap() -> None:
    """The card's trap: rho = .5, L = 4, eps = .05 starts above half of .0625."""
    assert float(learning_time(1.2, 0.5, 4, "jepa", 0.05)) < 0
    for given, says in (((-1.0, 1.0, 2, "mae", 0.01), "more than 0"),
                        ((1.0, 1.0, 2, "mae", 0.01, 1.0), "share")):
        with pytest.raises(UsageError, match=says):
            learning_time(*given)
