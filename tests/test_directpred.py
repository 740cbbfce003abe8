"""DirectPred: the predictor from the moment, the running moment, the linear theory at rest."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from sslbook.errors import UsageError
from sslbook.lesson.checks import compare
from sslbook.methods.directpred import (
    direct_predictor,
    eigen_alignment,
    fixed_points,
    linear_flow,
    updated_moment,
)

K = torch.arange(12, dtype=torch.float64).view(4, 3)
A = torch.sin(1 + K)
F_A = A.T @ A / 4
quick = settings(max_examples=40, deadline=None, derandomize=True)
seeds = st.integers(0, 2**31)


def moment_of(seed: int, d: int = 4, n: int = 9) -> Tensor:
    f = torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return f.T @ f / n


# -- values ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("alpha", "rows"), [
    (0.5, [[0.383643, 0.424111, 0.084653], [0.424111, 0.619208, 0.234202],
           [0.084653, 0.234202, 0.178427]]),
    (1.0, [[0.336645, 0.436664, 0.145216], [0.436664, 0.615855, 0.218026],
           [0.145216, 0.218026, 0.100385]]),
])
def test_fixture(alpha: float, rows: list[list[float]]) -> None:
    """The card's computed values for F = A^T A / 4 and eps = .01."""
    expected = torch.tensor(rows, dtype=torch.float64)
    assert torch.allclose(direct_predictor(F_A, 0.01, alpha), expected, atol=6e-7)
    assert torch.allclose(direct_predictor(F_A, alpha=alpha), expected, atol=6e-7)


def test_a_diagonal_moment_by_hand() -> None:
    moment = torch.diag(torch.tensor([4.0, 1.0, 0.25]).double())
    p = direct_predictor(moment, 0.1).diagonal().tolist()
    assert p == pytest.approx([1.1, 0.6, 0.35])


@quick
@given(seeds, st.sampled_from([0.25, 0.5, 1.0]))
def test_identities(seed: int, alpha: float) -> None:
    """Symmetric, positive, commutes with F, ignores F's scale, largest eigenvalue 1 + eps."""
    moment = moment_of(seed)
    weight = direct_predictor(moment, 0.05, alpha)
    assert torch.allclose(weight, weight.T, atol=1e-12)
    assert torch.allclose(weight @ moment, moment @ weight, atol=1e-12)
    values = torch.linalg.eigvalsh(weight)
    assert float(values[0]) >= 0.05 - 1e-12
    assert float(values[-1]) == pytest.approx(1.05)
    assert torch.allclose(direct_predictor(37.0 * moment, 0.05, alpha), weight, atol=1e-12)
    assert torch.allclose(eigen_alignment(weight, moment), torch.ones(4).double(), atol=1e-9)


@quick
@given(seeds)
def test_a_rotation_of_the_features_rotates_the_predictor(seed: int) -> None:
    moment = moment_of(seed)
    noise = torch.randn(4, 4, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    turn = torch.linalg.qr(noise).Q
    moved = direct_predictor(turn @ moment @ turn.T)
    assert torch.allclose(moved, turn @ direct_predictor(moment) @ turn.T, atol=1e-9)


def test_direct_copy_needs_no_eigenvectors() -> None:
    moment = moment_of(3)
    copy = moment / torch.linalg.matrix_norm(moment, 2) + 0.01 * torch.eye(4).double()
    assert torch.allclose(direct_predictor(moment, 0.01, 1.0), copy, atol=1e-12)


def test_equal_and_missing_eigenvalues() -> None:
    eye = torch.eye(3, dtype=torch.float64)
    assert torch.allclose(direct_predictor(2 * eye, 0.01), 1.01 * eye)
    assert torch.allclose(direct_predictor(0 * eye, 0.01), 0.01 * eye)
    line = torch.diag(torch.tensor([1.0, 0.0, 0.0]).double())
    low = direct_predictor(line, 0.0).diagonal()
    assert low.tolist() == pytest.approx([1.0, 1e-4, 1e-4])  # the code's floor


def test_the_predictor_gets_no_gradient() -> None:
    moment = moment_of(1).requires_grad_()
    assert not direct_predictor(moment).requires_grad
    f = torch.randn(4, 4, generator=torch.Generator().manual_seed(1)).requires_grad_()
    assert not updated_moment(moment, f).requires_grad


@pytest.mark.parametrize("half", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_float32(half) -> None:
    f = torch.randn(32, 4, generator=torch.Generator().manual_seed(1)).to(half)
    moment = updated_moment(torch.zeros(4, 4), f, 0.0)
    assert moment.dtype == torch.float32
    assert torch.equal(moment, f.float().T @ f.float() / 32)
    weight = direct_predictor(moment.to(half))
    assert weight.dtype == torch.float32
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(updated_moment(torch.zeros(4, 4), f.float(), 0.0), moment)
        assert torch.equal(direct_predictor(moment.to(half)), weight)


# -- the running moment ---------------------------------------------------------------------------


def test_the_moment_forgets_as_it_should() -> None:
    start, f = moment_of(1), A[:, :1].repeat(1, 4)
    moment = start
    for _ in range(5):
        moment = updated_moment(moment, f, 0.3)
    closed = 0.3**5 * start + (1 - 0.3**5) * f.T @ f / 4
    assert torch.allclose(moment, closed, atol=1e-14)


def test_the_moment_is_not_centred_and_counts_rows() -> None:
    f = torch.ones(6, 2, dtype=torch.float64)
    zero = torch.zeros(2, 2, dtype=torch.float64)
    assert torch.allclose(updated_moment(zero, f, 0.0), torch.ones(2, 2).double())
    twice = updated_moment(zero, torch.cat([A, A]).contiguous()[:, :2], 0.0)
    assert torch.allclose(twice, A[:, :2].T @ A[:, :2] / 4)


# -- alignment ------------------------------------------------------------------------------------


def test_alignment_of_matrices_that_share_no_eigenvector() -> None:
    angle = math.pi / 4
    turn = torch.tensor([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    moment = torch.diag(torch.tensor([1.0, 0.0]))
    predictor = turn @ torch.diag(torch.tensor([1.0, 2.0])) @ turn.T
    assert eigen_alignment(predictor, moment).tolist() == pytest.approx([math.sqrt(0.5)] * 2)
    assert eigen_alignment(predictor, torch.zeros(2, 2)).tolist() == [0.0, 0.0]


def test_alignment_ignores_the_antisymmetric_part() -> None:
    moment = moment_of(5)
    twist = torch.randn(4, 4, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    weight = direct_predictor(moment)
    both = eigen_alignment(weight + (twist - twist.T), moment)
    assert torch.allclose(both, eigen_alignment(weight, moment), atol=1e-6)


# -- the linear theory ----------------------------------------------------------------------------

NOISE, RATE = 0.25, 0.05  # sigma = .5


def rest(kind: str, decay: float, steps: int = 6000, seed: int = 0, scale: float = 0.3) -> Tensor:
    """Eigenvalues of W W^T after Euler steps of the population gradient, D=5, d=8."""
    generator = torch.Generator().manual_seed(seed)
    weight = scale * torch.randn(5, 8, generator=generator, dtype=torch.float64)
    learned = torch.eye(5, dtype=torch.float64) * 0.3
    for _ in range(steps):
        moment = (1 + NOISE) * weight @ weight.T
        if kind == "root":
            values, vectors = torch.linalg.eigh(moment)
            predictor = vectors * values.clamp_min(0).sqrt() @ vectors.T
        else:
            predictor = {"copy": moment, "learned": learned,
                         "none": torch.eye(5, dtype=torch.float64)}[kind]
        by_weight, by_predictor = linear_flow(weight, predictor, NOISE, decay)
        weight, learned = weight + RATE * by_weight, learned + RATE * by_predictor
    return torch.linalg.eigvalsh(weight @ weight.T)


@pytest.mark.parametrize(("kind", "decay", "value"), [
    ("root", 0.0, 0.512), ("root", 0.01, 0.499118), ("copy", 0.01, 0.631897),
])
def test_the_linear_model_rests_where_the_theory_says(kind, decay, value) -> None:
    """The card's computed rest points, and their closed form."""
    p = fixed_points(NOISE, decay)[1]
    closed = p**2 / (1 + NOISE) if kind == "root" else p / (1 + NOISE)
    assert closed == pytest.approx(value, abs=6e-7)
    found = rest(kind, decay, scale=0.5)
    assert torch.allclose(found, torch.full_like(found, value), atol=1e-5)


def test_the_learned_predictor_rests_on_the_parabola() -> None:
    found = rest("learned", 0.01, steps=16000, scale=0.3)
    p = fixed_points(NOISE, 0.01)[1]
    assert torch.allclose(found, torch.full_like(found, p**2), atol=1e-3)


def test_no_predictor_dies() -> None:
    assert float(rest("none", 0.0, steps=3000).max()) < 1e-6


def test_a_decay_above_the_bound_kills_every_mode() -> None:
    bound = 1 / (4 * (1 + NOISE))
    assert float(rest("root", 1.1 * bound, steps=3000).max()) < 1e-4
    assert float(rest("root", 0.9 * bound, steps=3000, scale=1.0).min()) > 0.1


def test_flow_is_the_gradient_of_the_population_loss() -> None:
    generator = torch.Generator().manual_seed(3)
    weight = torch.randn(3, 4, generator=generator, dtype=torch.float64).requires_grad_()
    predictor = torch.randn(3, 3, generator=generator, dtype=torch.float64).requires_grad_()
    target = weight.detach()
    # 1/2 E|P W x1 - T x2|^2 with E x1 x1^T = (1 + noise) I, E x1 x2^T = I
    both = predictor @ weight
    loss = (1 + NOISE) * both.square().sum() / 2 - (both * target).sum()
    decay = 0.02 * (weight.square().sum() + predictor.square().sum()) / 2
    expected = torch.autograd.grad(-(loss + decay), (weight, predictor))
    for one, other in zip(linear_flow(weight, predictor, NOISE, 0.02), expected, strict=True):
        assert torch.allclose(one, other, atol=1e-12)


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


# -- the chapter's check --------------------------------------------------------------------------


def predictor_of(moment, eps, *, power=lambda s: s.sqrt(), scale=lambda v: v[-1],
                 build=lambda u, p: u * p @ u.T):
    values, vectors = torch.linalg.eigh(moment)
    shares = values.clamp_min(0) / scale(values)
    return build(vectors, power(shares) + eps)


def changed(**parts):
    return lambda moment, eps: predictor_of(moment, eps, **parts)


WRONG = {
    "no square root": changed(power=lambda s: s),
    "the inverse root": changed(power=lambda s: s.rsqrt()),
    "not divided by the largest": changed(scale=lambda v: 1.0),
    "divided by the sum": changed(scale=lambda v: v.sum()),
    "eigenvectors are rows": changed(build=lambda u, p: u.T * p @ u),
    "eigenvalues on the diagonal alone": changed(build=lambda u, p: torch.diag(p)),
    "eps inside the root": lambda moment, eps: predictor_of(
        moment, 0.0, power=lambda s: (s + eps).sqrt()),
    "eps is forgotten": lambda moment, eps: predictor_of(moment, 0.0),
    "the moment itself": lambda moment, eps: moment,
}
CASES = [(moment_of(1), 0.01), (moment_of(2, 6, 20), 0.1)]


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_predictor_is_rejected(name: str) -> None:
    assert not compare(WRONG[name], direct_predictor, CASES)[0]


def test_a_right_predictor_is_accepted() -> None:
    root = changed(build=lambda u, p: u @ torch.diag(p) @ u.T)
    assert compare(root, direct_predictor, CASES)[0]


@pytest.mark.parametrize("wrong", [
    lambda m, f, rho: (1 - rho) * m + rho * f.T @ f / len(f),
    lambda m, f, rho: rho * m + (1 - rho) * f.T @ f,
    lambda m, f, rho: rho * m + (1 - rho) * torch.cov(f.T, correction=0),
    lambda m, f, rho: rho * m + (1 - rho) * f @ f.T / len(f),
])
def test_a_wrong_moment_is_rejected(wrong) -> None:
    cases = [(moment_of(1), A.new_tensor(torch.randn(4, 4, generator=torch.Generator()
              .manual_seed(1)).tolist()), 0.3)]
    assert not compare(wrong, updated_moment, cases)[0]


# -- bad input ------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(3,), (3, 4), (0, 0)])
def test_only_square_matrices(shape) -> None:
    with pytest.raises(UsageError, match="square"):
        direct_predictor(torch.zeros(shape))
    with pytest.raises(UsageError, match="square"):
        eigen_alignment(torch.zeros(shape), torch.zeros(shape))


def test_other_kinds_are_refused() -> None:
    with pytest.raises(UsageError, match="floating"):
        direct_predictor(torch.eye(3, dtype=torch.int64))
    with pytest.raises(UsageError, match="width"):
        updated_moment(torch.zeros(3, 3), torch.zeros(5, 4))
    with pytest.raises(UsageError, match="width"):
        updated_moment(torch.zeros(3, 3), torch.zeros(0, 3))


@pytest.mark.parametrize("bad", [-0.1, math.nan, math.inf])
def test_bad_knobs(bad: float) -> None:
    with pytest.raises(UsageError, match="eps"):
        direct_predictor(F_A, bad)
    with pytest.raises(UsageError, match="alpha"):
        direct_predictor(F_A, 0.1, bad)
    with pytest.raises(UsageError, match="rho"):
        updated_moment(F_A, A, bad)


def test_alpha_zero_and_rho_above_one() -> None:
    with pytest.raises(UsageError, match="alpha"):
        direct_predictor(F_A, 0.1, 0.0)
    with pytest.raises(UsageError, match="rho"):
        updated_moment(F_A, A, 1.5)
