"""SimCLR: the floor of NT-Xent, its gradient by hand, the temperature, and mutants."""

from __future__ import annotations

import math

import changes
import pytest
import torch
from changes import A, B, order, pairing, rotation, row_scale, swap, two_views
from contrastive import masked, other_view_alone, products, terms
from harness import checks
from specs import Spec, lightly, positive
from torch import Tensor

from sslbook.methods.simclr import nt_xent_loss, similarity


def interleaved(z1: Tensor, z2: Tensor, t: float) -> Tensor:
    """Takes 2i and 2i + 1 for a positive pair in rows that stand as [z1; z2]."""
    scores = (similarity(z1, z2) / t).fill_diagonal_(-math.inf)
    return scores.logsumexp(1).mean() - scores.diagonal(1)[::2].mean()


EYE = torch.eye(12, dtype=torch.bool)
TOY = [torch.tensor(rows, dtype=torch.float64) for rows in ([[1, 0], [0, 1]], [[1, 0], [1, 0]])]
test_spec = checks(Spec(
    function=nt_xent_loss, inputs=two_views, knobs={"temperature": positive(0.5, 0.1)},
    values=[((A, B, 0.5), 2.869557), ((A, B, 0.1), 10.041958), ((*TOY, 1.0), 1.171149)],
    loops=lambda *views, temperature: terms(*views, temperature).mean(),
    oracle=lightly("NTXentLoss", temperature="temperature"),
    unchanged_by=[rotation, row_scale, order, swap], changed_by=[pairing],
    finite=[changes.zero_rows, *map(changes.constant_column, (1.0, 0.1, 1e6))],
    descent=0.5, refused=changes.unlike_views(),
    cases=[(*two_views(0), 0.1), (*two_views(1), 0.5)], right={"by a mask": masked(EYE)},
    mutants={
        "the view itself stays": masked(EYE & ~EYE),
        "the positive is left out": masked(EYE | EYE.roll(6, 0)),
        "no normalisation": masked(EYE, products),
        "negatives of the other view alone": other_view_alone,
        "interleaved": interleaved, "no temperature": lambda a, b, t: nt_xent_loss(a, b, 1.0),
        "multiplied by the temperature": lambda a, b, t: nt_xent_loss(a, b, 1 / t),
        "summed": lambda a, b, t: nt_xent_loss(a, b, t) * 2 * len(a),
        "one view detached": lambda a, b, t: nt_xent_loss(a, b.detach(), t),
    },
))


# -- what is special to NT-Xent -------------------------------------------------------------------


def floor(n: int, temperature: float) -> float:
    """Positives coincide, images stand at the corners of a simplex (needs D >= N - 1)."""
    return math.log1p(2 * (n - 1) * math.exp(-n / ((n - 1) * temperature)))


@pytest.mark.parametrize("temperature", [0.1, 0.5, 2.0])
def test_a_simplex_reaches_the_floor_and_nothing_lies_below(temperature: float) -> None:
    for n in (2, 4, 9):
        corners = torch.eye(n, dtype=torch.float64) - 1 / n
        value = float(nt_xent_loss(corners, corners, temperature))
        assert value == pytest.approx(floor(n, temperature), rel=1e-9)
    for seed in range(10):
        views = [z.requires_grad_() for z in two_views(seed, 5, 4)]
        optimiser = torch.optim.SGD(views, lr=0.5)
        for _ in range(15):
            optimiser.zero_grad()
            value = nt_xent_loss(*views, temperature)
            assert float(value.detach()) >= floor(5, temperature) - 1e-12
            value.backward()
            optimiser.step()


def test_similarity_and_closed_forms() -> None:
    eye = torch.eye(4, dtype=torch.float64)
    assert float(nt_xent_loss(eye, eye, 0.5)) == pytest.approx(-2 + math.log(math.e**2 + 6))
    for n in (2, 5):
        same = torch.ones(n, 3, dtype=torch.float64)
        assert float(nt_xent_loss(same, same, 0.1)) == pytest.approx(math.log(2 * n - 1))
    matrix = similarity(A, B)
    assert matrix.shape == (8, 8)
    assert torch.allclose(matrix.diagonal(), torch.ones(8, dtype=torch.float64))
    assert float(matrix[1, 5]) == pytest.approx(float(torch.cosine_similarity(A, B)[1]))


def test_the_gradient_is_what_the_softmax_gives_less_what_is_true() -> None:
    """dL/ds_ik = (p_ik - [k is the positive of i]) / (2N t), p without the view itself."""
    a, b = two_views(3, 5, 3)
    n, t = len(a), 0.3
    matrix = similarity(a, b)
    itself = torch.eye(2 * n, dtype=torch.bool)
    p = (matrix / t).masked_fill(itself, -math.inf).softmax(1)
    target = torch.eye(n, dtype=torch.float64).repeat(2, 2) - itself.double()
    by_hand = (p - target) / (2 * n * t)
    z = [v.clone().requires_grad_() for v in (a, b)]
    got = torch.autograd.grad(nt_xent_loss(*z, t), z)
    through = torch.autograd.grad((similarity(*z) * by_hand).sum(), z)
    torch.testing.assert_close(got, through, rtol=0, atol=1e-12)


def test_negatives_are_pushed_by_their_logits_and_as_hard_as_the_sibling_is_pulled() -> None:
    """Cosines .2 apart: exp(.2 / t), as the chapter says 1.2, 2.7 and 55."""
    row = torch.tensor([0.7, 0.9, 0.5], dtype=torch.float64, requires_grad=True)
    for t, ratio in ((1.0, 1.2214), (0.2, 2.7183), (0.05, 54.598)):
        (slope,) = torch.autograd.grad((row / t).logsumexp(0) - row[1] / t, row)
        assert float(slope[0] / slope[2]) == pytest.approx(ratio, rel=1e-4)
        assert float(slope.sum()) == pytest.approx(0, abs=1e-12)


def test_a_small_temperature_looks_at_the_hardest_alone() -> None:
    """t times the loss tends to the mean of (largest other similarity - the positive's)."""
    a, b = two_views(5, 6, 3)
    matrix, n = similarity(a, b), 6
    hardest = matrix.masked_fill(torch.eye(2 * n, dtype=torch.bool), -math.inf).amax(1).mean()
    limit = float(hardest - matrix.diagonal(n).mean())
    assert 1e-4 * float(nt_xent_loss(a, b, 1e-4)) == pytest.approx(limit, abs=1e-3)
    z = torch.ones(4, 3, requires_grad=True)
    value = nt_xent_loss(z, z, 1e-4)
    value.backward()
    assert float(value.detach()) == pytest.approx(math.log(7), abs=1e-2)
    assert z.grad.isfinite().all()
