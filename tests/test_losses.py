"""Barlow Twins and NT-Xent: fixtures, identities, invariances, gradients, another library."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from sslbook.errors import UsageError
from sslbook.methods import barlow_twins, simclr
from sslbook.methods.barlow_twins import barlow_twins_loss, barlow_twins_terms, cross_correlation
from sslbook.methods.simclr import nt_xent_loss, similarity

LOSSES = {"barlow": lambda a, b: barlow_twins_loss(a, b, 0.01), "nt_xent": nt_xent_loss}
K = torch.arange(12, dtype=torch.float64).view(4, 3)
A, B = torch.sin(1 + K), torch.cos(0.5 * (1 + K))


def pair(seed: int, n: int = 6, d: int = 4, dtype: torch.dtype = torch.float64) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(n, d, generator=generator, dtype=dtype) for _ in range(2)]


batches = st.builds(
    pair, st.integers(0, 2**31), n=st.integers(2, 12), d=st.integers(1, 9)
)
seeds = st.integers(0, 2**31)
both = pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES.keys())
quick = settings(max_examples=40, deadline=None, derandomize=True)


# -- values ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("lambd", "eps", "value"), [
    (0.0051, 0.0, 3.539457), (0.005, 0.0, 3.539432),
    (0.0051, 1e-5, 3.539421), (0.005, 1e-5, 3.539396),
])
def test_barlow_fixture(lambd: float, eps: float, value: float) -> None:
    assert float(barlow_twins_loss(A, B, lambd, eps)) == pytest.approx(value, abs=6e-7)


def test_barlow_fixture_parts() -> None:
    invariance, redundancy = barlow_twins_terms(A, B)
    assert float(invariance) == pytest.approx(3.538160, abs=6e-7)
    assert float(redundancy) == pytest.approx(0.254301, abs=6e-7)
    row = cross_correlation(A, B)[0]
    assert row.tolist() == pytest.approx([0.150844, 0.133121, 0.079291], abs=6e-7)
    assert barlow_twins.LAMBD == 0.0051
    assert float(barlow_twins_loss(A, B)) == pytest.approx(3.539457, abs=6e-7)


@pytest.mark.parametrize(("temperature", "value"), [(0.5, 2.869557), (0.1, 10.041958)])
def test_nt_xent_fixture(temperature: float, value: float) -> None:
    assert float(nt_xent_loss(A, B, temperature)) == pytest.approx(value, abs=6e-7)
    tensor = torch.tensor(temperature, dtype=torch.float64)  # as a captured step gives it
    assert float(nt_xent_loss(A, B, tensor)) == pytest.approx(value, abs=6e-7)


def test_barlow_matches_its_definition_with_loops() -> None:
    a, b = pair(3, 5, 3)
    n, d = a.shape
    total = 0.0
    for i in range(d):
        for j in range(d):
            x, y = a[:, i] - a[:, i].mean(), b[:, j] - b[:, j].mean()
            c = float((x * y).sum() / (x.square().sum() * y.square().sum()).sqrt())
            total += (1 - c) ** 2 if i == j else 0.3 * c**2
    assert float(barlow_twins_loss(a, b, 0.3)) == pytest.approx(total, rel=1e-12)


def test_nt_xent_matches_its_definition_with_loops() -> None:
    a, b = pair(4, 5, 3)
    z, n = torch.cat([a, b]), len(a)
    total = 0.0
    for i in range(2 * n):
        cosine = [float(z[i] @ z[k] / (z[i].norm() * z[k].norm())) for k in range(2 * n)]
        others = sum(math.exp(cosine[k] / 0.2) for k in range(2 * n) if k != i)
        total -= math.log(math.exp(cosine[(i + n) % (2 * n)] / 0.2) / others)
    assert float(nt_xent_loss(a, b, 0.2)) == pytest.approx(total / (2 * n), rel=1e-12)


@pytest.mark.filterwarnings("ignore")
def test_lightly_agrees_to_its_own_precision() -> None:
    losses = pytest.importorskip("lightly.loss")
    for seed, (n, d) in enumerate([(4, 3), (16, 8), (64, 32)]):
        a, b = (A, B) if seed == 0 else pair(seed, n, d)
        theirs = losses.BarlowTwinsLoss(lambda_param=0.005)(a, b)
        assert float(barlow_twins_loss(a, b, 0.005, eps=1e-5)) == pytest.approx(
            float(theirs), rel=1e-6
        )
        for temperature in (0.1, 0.5):
            theirs = losses.NTXentLoss(temperature=temperature)(a, b)
            assert float(nt_xent_loss(a, b, temperature)) == pytest.approx(float(theirs), rel=1e-6)


# -- identities -----------------------------------------------------------------------------------


def test_nt_xent_identities() -> None:
    eye = torch.eye(4, dtype=torch.float64)
    assert float(nt_xent_loss(eye, eye, 0.5)) == pytest.approx(-2 + math.log(math.e**2 + 6))
    for n in (2, 5):
        same = torch.ones(n, 3, dtype=torch.float64)
        assert float(nt_xent_loss(same, same, 0.1)) == pytest.approx(math.log(2 * n - 1))
    matrix = similarity(A, B)
    assert matrix.shape == (8, 8)
    assert torch.allclose(matrix.diagonal(), torch.ones(8, dtype=torch.float64))
    assert float(matrix[1, 5]) == pytest.approx(float(torch.cosine_similarity(A, B)[1]))


@quick
@given(batches, st.sampled_from([0.1, 0.5, 1.0]))
def test_nt_xent_lower_bound(views: list[Tensor], t: float) -> None:
    """Siblings at 1 and all others at -1 cannot be beaten."""
    n = len(views[0])
    bound = -1 / t + math.log(math.exp(1 / t) + 2 * (n - 1) * math.exp(-1 / t))
    assert float(nt_xent_loss(*views, t)) >= bound - 1e-9


def test_barlow_is_zero_for_whitened_twins_and_counts_what_is_missing() -> None:
    white = torch.tensor([[1, 1], [1, -1], [-1, 1], [-1, -1]], dtype=torch.float64)
    assert float(barlow_twins_loss(white, white, 1.0)) == pytest.approx(0, abs=1e-12)
    assert float(barlow_twins_loss(white, -white, 1.0)) == pytest.approx(8)  # C = -I
    copied = white[:, :1].repeat(1, 2)  # two equal columns: off-diagonal 1, twice
    assert float(barlow_twins_loss(copied, copied, 0.25)) == pytest.approx(0.5)


@quick
@given(seeds, st.integers(2, 6), st.integers(0, 6))
def test_barlow_rank_floor(seed: int, n: int, extra: int) -> None:
    """rank(C) <= N - 1, so with lambd = 1 at least D - (N - 1) is left (Eckart-Young)."""
    d = n - 1 + extra
    a, b = pair(seed, n, d)
    assert float(barlow_twins_loss(a, b, 1.0)) >= extra - 1e-9
    assert int(torch.linalg.matrix_rank(cross_correlation(a, b), atol=1e-9)) <= n - 1


def test_barlow_rank_floor_is_reached() -> None:
    """N = 2 points: every C is +-1, and one column alone reaches L = 0."""
    a = torch.tensor([[0.3, 1.0], [2.0, 5.0]], dtype=torch.float64)
    assert float(barlow_twins_loss(a[:, :1], a[:, 1:], 1.0)) == pytest.approx(0, abs=1e-12)


# -- invariances ----------------------------------------------------------------------------------


@quick
@given(batches, seeds)
def test_barlow_ignores_positive_affine_maps_of_columns(views: list[Tensor], seed: int) -> None:
    a, b = views
    generator = torch.Generator().manual_seed(seed)
    scale = torch.rand(2, a.shape[1], generator=generator, dtype=torch.float64) * 9 + 0.1
    shift = torch.randn(2, a.shape[1], generator=generator, dtype=torch.float64)
    moved = barlow_twins_loss(a * scale[0] + shift[0], b * scale[1] + shift[1], 0.02)
    assert float(moved) == pytest.approx(float(barlow_twins_loss(a, b, 0.02)), rel=1e-9)
    if a.shape[1] > 1 and len(a) > 2:
        flipped = barlow_twins_loss(a * -1, b, 0.02)
        assert float(flipped) != pytest.approx(float(barlow_twins_loss(a, b, 0.02)), rel=1e-9)


@quick
@given(batches, seeds, st.sampled_from([0.1, 0.5]))
def test_nt_xent_ignores_rotation_and_row_length(
    views: list[Tensor], seed: int, temperature: float
) -> None:
    a, b = views
    generator = torch.Generator().manual_seed(seed)
    d = a.shape[1]
    rotation = torch.linalg.qr(torch.randn(d, d, generator=generator, dtype=torch.float64)).Q
    length = torch.rand(2, len(a), 1, generator=generator, dtype=torch.float64) * 9 + 0.1
    moved = nt_xent_loss(a @ rotation * length[0], b @ rotation * length[1], temperature)
    assert float(moved) == pytest.approx(float(nt_xent_loss(a, b, temperature)), rel=1e-9)


@both
@quick
@given(views=batches, seed=seeds)
def test_order_of_the_batch_and_of_the_views_does_not_matter(loss, views, seed) -> None:
    a, b = views
    order = torch.randperm(len(a), generator=torch.Generator().manual_seed(seed))
    value = float(loss(a, b))
    assert float(loss(a[order], b[order])) == pytest.approx(value, rel=1e-9)
    assert float(loss(b, a)) == pytest.approx(value, rel=1e-9)


@both
def test_pairing_matters(loss) -> None:
    a, _ = pair(0, 8, 4)
    assert float(loss(a, a)) < float(loss(a, a.roll(1, 0))) - 0.1


# -- gradients ------------------------------------------------------------------------------------


@both
def test_gradcheck(loss) -> None:
    a, b = (z.requires_grad_() for z in pair(7, 5, 3))
    assert torch.autograd.gradcheck(loss, (a, b))


def test_gradcheck_with_eps_and_small_temperature() -> None:
    a, b = (z.requires_grad_() for z in pair(8, 4, 3))
    assert torch.autograd.gradcheck(lambda x, y: barlow_twins_loss(x, y, 1.0, 1e-3), (a, b))
    assert torch.autograd.gradcheck(lambda x, y: nt_xent_loss(x, y, 0.05), (a, b))


@both
def test_twenty_steps_of_descent_lower_the_loss(loss) -> None:
    views = [z.requires_grad_() for z in pair(1, 16, 4)]
    optimiser = torch.optim.SGD(views, lr=0.1)
    before = float(loss(*views).detach())
    for _ in range(20):
        optimiser.zero_grad()
        loss(*views).backward()
        optimiser.step()
    assert float(loss(*views).detach()) < before - 0.05


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("constant", [0.0, 1.0, 0.1, 1e6])
@both
def test_constant_columns_and_rows_give_finite_values_and_gradients(loss, constant, dtype) -> None:
    a, b = pair(2, 7, 4, dtype)
    a[:, 1] = constant
    a[3], b[2] = 0.0, 0.0
    a.requires_grad_()
    b.requires_grad_()
    value = loss(a, b)
    value.backward()
    for tensor in (value, a.grad, b.grad):
        assert tensor.isfinite().all()
        assert tensor.abs().max() < 1e3


@pytest.mark.parametrize("constant", [0.1, 3.3, 1e6])
def test_a_constant_column_counts_one_and_gets_no_gradient(constant: float) -> None:
    """In float32 the mean of equal numbers is off by rounding; that must not become a signal."""
    a, b = pair(5, 1000, 2, torch.float32)
    a[:, 0] = b[:, 0] = constant
    a.requires_grad_()
    invariance, _ = barlow_twins_terms(a, b)
    invariance.backward()
    assert float(cross_correlation(a, b)[0, 0].detach()) == 0.0
    assert float(a.grad[:, 0].abs().max()) == 0.0
    assert float(a.grad[:, 1].abs().max()) > 0.0


def test_all_equal_embeddings_are_finite_for_small_temperatures() -> None:
    z = torch.ones(4, 3, requires_grad=True)
    value = nt_xent_loss(z, z, 1e-4)
    value.backward()
    assert float(value.detach()) == pytest.approx(math.log(7), abs=1e-2)
    assert z.grad.isfinite().all()


@pytest.mark.parametrize("half", [torch.float16, torch.bfloat16])
@both
def test_half_precision_and_autocast_are_computed_in_float32(loss, half) -> None:
    a, b = (z.to(half) for z in pair(6, 32, 8, torch.float32))
    exact = loss(a.float(), b.float())
    assert loss(a, b).dtype == torch.float32
    assert float(loss(a, b)) == float(exact)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert float(loss(a.float(), b.float())) == float(exact)


# -- bad input ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["barlow", "nt_xent"])
@pytest.mark.parametrize(("shapes", "says"), [
    ([(4, 3), (4, 2)], "one shape"), ([(4, 3), (5, 3)], "one shape"), ([(3,), (3,)], "one shape"),
    ([(2, 3, 4), (2, 3, 4)], "one shape"), ([(1, 3), (1, 3)], "this batch has 1"),
    ([(4, 0), (4, 0)], "one shape"),
])
def test_wrong_shapes_are_named(name: str, shapes: list[tuple], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        LOSSES[name](*(torch.zeros(shape) for shape in shapes))


@both
def test_integers_and_arrays_are_refused(loss) -> None:
    with pytest.raises(UsageError, match="int64"):
        loss(torch.zeros(4, 3), torch.zeros(4, 3, dtype=torch.int64))
    with pytest.raises(UsageError, match="list"):
        loss([[1.0]], [[1.0]])


@pytest.mark.parametrize("value", [-0.1, math.nan, math.inf])
def test_bad_lambd_and_temperature(value: float) -> None:
    with pytest.raises(UsageError, match="lambd"):
        barlow_twins_loss(A, B, value)
    with pytest.raises(UsageError, match="eps"):
        barlow_twins_loss(A, B, 0.1, value)
    with pytest.raises(UsageError, match="temperature"):
        nt_xent_loss(A, B, value)


def test_zero_is_a_lambd_but_not_a_temperature() -> None:
    assert float(barlow_twins_loss(A, B, 0.0)) == pytest.approx(3.538160, abs=6e-7)
    with pytest.raises(UsageError, match="more than 0"):
        nt_xent_loss(A, B, 0)
    assert simclr.TEMPERATURE == 0.5
