"""DirectPred: the predictor from the moment."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from changes import A, normal
from harness import checks
from specs import Spec, not_negative, positive
from torch import Tensor

from sslbook.methods.directpred import FLOOR, direct_predictor

F_A = A.T @ A / 4
ROOT = [[0.383643, 0.424111, 0.084653], [0.424111, 0.619208, 0.234202],
        [0.084653, 0.234202, 0.178427]]  # the card's values for F_A and eps = .01
COPY = [[0.336645, 0.436664, 0.145216], [0.436664, 0.615855, 0.218026],
        [0.145216, 0.218026, 0.100385]]


def moment_of(seed: int, d: int = 4, n: int = 9) -> Tensor:
    f = normal(seed, n, d)
    return f.T @ f / n


def predictor_of(moment, eps, *, power=lambda s: s.sqrt(), scale=lambda v: v[-1],
                 build=lambda u, p: u * p @ u.T, floor=FLOOR):
    values, vectors = torch.linalg.eigh(moment)
    return build(vectors, (power(values.clamp_min(0) / scale(values)) + eps).clamp_min(floor))


def changed(**parts):
    return partial(predictor_of, **parts)


def bigger(inputs: tuple, by: torch.Generator) -> tuple:
    return tuple(37.0 * one for one in inputs)


def antisymmetric_part(inputs: tuple, by: torch.Generator) -> tuple:
    noise = torch.randn(inputs[0].shape, generator=by, dtype=torch.float64)
    return (inputs[0] + noise - noise.T,)


NOT_SQUARE = [torch.zeros(shape) for shape in [(3,), (3, 4), (0, 0)]]
test_spec = checks(
    Spec(function=direct_predictor, inputs=lambda *a: (moment_of(*a),), gradient=(),
         shapes=[(4,), (1,), (7, 20)], unchanged_by=[bigger, antisymmetric_part],
         knobs={"eps": not_negative(0.01, 0.1, tensor=False),
                "alpha": positive(0.5, 0.25, 1.0, tensor=False)},
         values=[((F_A, 0.01, 0.5), ROOT), ((F_A, 0.01, 1.0), COPY),
                 ((torch.diag(torch.tensor([4, 1, 0.25])).double(), 0.1),
                  [[1.1, 0, 0], [0, 0.6, 0], [0, 0, 0.35]]),
                 ((2 * torch.eye(2),), [[1.01, 0], [0, 1.01]]),
                 ((torch.zeros(2, 2),), [[0.01, 0], [0, 0.01]]),
                 ((torch.diag(torch.tensor([1.0, 0.0])), 0.0), [[1, 0], [0, 1e-4]])],  # the floor
         refused=[*(((bad,), "square") for bad in NOT_SQUARE),
                  ((torch.eye(3, dtype=torch.int64),), "floating")],
         cases=[(moment_of(1), 0.01), (moment_of(2, 6, 20), 0.1), (moment_of(3, 4, 2), 0.0)],
         right={"by diag": changed(build=lambda u, p: u @ torch.diag(p) @ u.T)},
         mutants={
             "no square root": changed(power=lambda s: s),
             "the inverse root": changed(power=lambda s: s.rsqrt()),
             "not divided by the largest": changed(scale=lambda v: 1.0),
             "divided by the sum": changed(scale=lambda v: v.sum()),
             "eigenvectors are rows": changed(build=lambda u, p: u.T * p @ u),
             "eigenvalues on the diagonal alone": changed(build=lambda u, p: torch.diag(p)),
             "eps inside the root": lambda moment, eps: predictor_of(
                 moment, 0.0, power=lambda s: (s + eps).sqrt()),
             "a moment without full rank gets no floor": changed(floor=0.0),
             "eps is forgotten": lambda moment, eps: predictor_of(moment, 0.0),
             "the moment itself": lambda moment, eps: moment}))


# -- what is special to DirectPred ----------------------------------------------------------------


@pytest.mark.parametrize("alpha", [0.25, 0.5, 1.0])
def test_the_predictor_commutes_with_the_moment_and_turns_with_the_features(alpha: float) -> None:
    for seed in range(10):
        moment, turn = moment_of(seed), torch.linalg.qr(normal(seed, 4, 4)).Q
        weight = direct_predictor(moment, 0.05, alpha)
        assert torch.allclose(weight, weight.T, atol=1e-12)
        assert torch.allclose(weight @ moment, moment @ weight, atol=1e-12)
        values = torch.linalg.eigvalsh(weight)
        assert float(values[0]) >= 0.05 - 1e-12
        assert float(values[-1]) == pytest.approx(1.05)
        moved = direct_predictor(turn @ moment @ turn.T, 0.05, alpha)
        assert torch.allclose(moved, turn @ weight @ turn.T, atol=1e-9)
        copy = moment / torch.linalg.matrix_norm(moment, 2) + 0.05 * torch.eye(4)
        assert torch.allclose(direct_predictor(moment, 0.05, 1.0), copy, atol=1e-12)
