"""Barlow Twins: the parts of the loss, its zero and its floor, constant columns, mutants."""

from __future__ import annotations

from functools import partial
from itertools import product

import changes
import pytest
import torch
from changes import A, B, column_maps, order, pairing, sign, swap, two_views
from harness import checks
from specs import Spec, lightly, not_negative
from torch import Tensor

from sslbook.methods.barlow_twins import barlow_twins_loss, barlow_twins_terms, cross_correlation


def columns(z: Tensor, correction: int = 0) -> Tensor:
    return (z - z.mean(0)) / z.std(0, correction=correction)


def loss(z1, z2, lambd, *, scale=columns, on=lambda d: (1 - d).square().sum(),
         off=lambda c, d: c.square().sum() - d.square().sum(), weigh=lambda a, b, w: a + w * b,
         divisor=0):
    c = scale(z1).T @ scale(z2) / (len(z1) - divisor)
    return weigh(on(c.diagonal()), off(c, c.diagonal()), lambd)


def changed(**parts):
    return partial(loss, **parts)


def loops(z1: Tensor, z2: Tensor, lambd: float, eps: float) -> Tensor:
    total = 0.0
    for i, j in product(range(z1.shape[1]), repeat=2):
        x, y = z1[:, i] - z1[:, i].mean(), z2[:, j] - z2[:, j].mean()
        c = (x * y).mean() / ((x.square().mean() + eps) * (y.square().mean() + eps)).sqrt()
        total += (1 - c) ** 2 if i == j else lambd * c**2
    return total


WRONG = {
    "the diagonal is kept in the second sum": changed(off=lambda c, d: c.square().sum()),
    "columns are not standardised": changed(scale=lambda z: z),
    "columns are not centred": changed(scale=lambda z: z / z.std(0, correction=0)),
    "columns are centred only": changed(scale=lambda z: z - z.mean(0)),
    "rows are standardised": changed(scale=lambda z: columns(z.T).T),
    "rows are put on the sphere": changed(scale=lambda z: z / z.norm(dim=1, keepdim=True)),
    "the deviation divides by N - 1": changed(scale=lambda z: columns(z, correction=1)),
    "the product is divided by N - 1": changed(divisor=1),
    "the sign of the diagonal": changed(on=lambda d: (1 + d).square().sum()),
    "the sign of the second sum": changed(weigh=lambda a, b, w: a - w * b),
    "lambda is forgotten": changed(weigh=lambda a, b, w: a + b),
    "the weights add up to one": changed(weigh=lambda a, b, w: (1 - w) * a + w * b),
    "both views in one matrix": lambda *both: loss(*[torch.cat(both[:2])] * 2, both[2]),
    "the product is not divided by N": changed(scale=lambda z: columns(z) * len(z) ** 0.5),
    "lambda weighs the first sum": changed(weigh=lambda a, b, w: w * a + b),
    "a mean instead of a sum": changed(on=lambda d: (1 - d).square().mean()),
    "no square": changed(on=lambda d: (1 - d).abs().sum()),
    "the first sum alone": changed(weigh=lambda a, b, w: a),
    "one view twice": lambda z1, z2, lambd: loss(z1, z1, lambd),
    "one view without gradient": lambda z1, z2, lambd: loss(z1, z2.detach(), lambd),
    "no gradient at all": lambda z1, z2, lambd: loss(z1, z2, lambd).detach(),
    "a number instead of a tensor": lambda z1, z2, lambd: loss(z1, z2, lambd).item(),
    "it stops": lambda z1, z2, lambd: z1 @ z2, "nothing": lambda z1, z2, lambd: None,
    "it changes its input": lambda z1, z2, lambd: loss(z1.sub_(z1.mean(0)), z2, lambd),
}
RIGHT = {
    "as in the chapter": loss,
    "with a mask": changed(off=lambda c, d: c[~torch.eye(len(c), dtype=torch.bool)].square().sum()),
    "with loops": partial(loops, eps=0.0),
}
LAMBD = {"lambd": not_negative(0.0051, 0.0, 1.0)}
test_spec = checks(Spec(
    function=barlow_twins_loss, inputs=two_views,
    knobs={**LAMBD, "eps": not_negative(0.0, tensor=False)},
    values=[((A, B), 3.539457), ((A, B, 0.005), 3.539432), ((A, B, 0.0051, 1e-5), 3.539421),
            ((A, B, 0.005, 1e-5), 3.539396), ((A, B, 0.0), 3.538160),
            ((A[:2, :1], A[:2, 1:2], 1.0), 0)],  # N = 2: every C is +-1
    loops=loops, unchanged_by=[order, swap, column_maps], changed_by=[pairing, sign], descent=0.1,
    finite=[changes.zero_rows, *map(changes.constant_column, (0.0, 1.0, 0.1, 1e6))],
    refused=changes.unlike_views(), mutants=WRONG, right=RIGHT,
    cases=[(*two_views(1, 8, 4), 0.1), (*two_views(2, 6, 3), 0.0051)],
), Spec(
    function=partial(barlow_twins_loss, eps=1e-5), inputs=two_views, knobs=LAMBD,
    loops=partial(loops, eps=1e-5), oracle=lightly("BarlowTwinsLoss", lambda_param="lambd"),
))


def test_it_is_zero_for_whitened_twins_and_counts_what_is_missing() -> None:
    white = torch.tensor([[1, 1], [1, -1], [-1, 1], [-1, -1]], dtype=torch.float64)
    assert float(barlow_twins_loss(white, white, 1.0)) == pytest.approx(0, abs=1e-12)
    assert float(barlow_twins_loss(white, -white, 1.0)) == pytest.approx(8)  # C = -I
    copied = white[:, :1].repeat(1, 2)  # two equal columns: off-diagonal 1, twice
    assert float(barlow_twins_loss(copied, copied, 0.25)) == pytest.approx(0.5)


def test_parts_first_row_and_rank_floor() -> None:
    """rank(C) <= N - 1, so with lambd = 1 at least D - (N - 1) is left (Eckart-Young)."""
    assert [*map(float, barlow_twins_terms(A, B))] == pytest.approx([3.538160, 0.254301], abs=6e-7)
    row = cross_correlation(A, B)[0].tolist()
    assert row == pytest.approx([0.150844, 0.133121, 0.079291], abs=6e-7)
    for seed, n in enumerate((2, 3, 4, 6)):
        for extra in (0, 1, 4):
            a, b = two_views(seed, n, n - 1 + extra)
            assert float(barlow_twins_loss(a, b, 1.0)) >= extra - 1e-9
            for lambd in (0.01, 0.3, 3.0):  # with diagonal 1 / (1 + k), or D - r dead columns
                k = min(lambd, 1.0) * extra / (n - 1)
                least = (n - 1 + extra) * k / (1 + k)
                assert float(barlow_twins_loss(a, b, lambd)) >= least - 1e-9
            assert int(torch.linalg.matrix_rank(cross_correlation(a, b), atol=1e-9)) <= n - 1


@pytest.mark.parametrize("constant", [0.1, 3.3, 1e6])
def test_a_constant_column_counts_one_and_gets_no_gradient(constant: float) -> None:
    """In float32 the mean of equal numbers is off by rounding; that must not become a signal."""
    a, b = changes.cast(two_views(5, 1000, 2), torch.float32)
    a[:, 0] = b[:, 0] = constant
    a.requires_grad_()
    barlow_twins_terms(a, b)[0].backward()
    assert float(cross_correlation(a, b)[0, 0].detach()) == 0.0
    assert (a.grad.abs().amax(dim=0) > 0).tolist() == [False, True]
    assert float(columns(a.detach())[0, 0]) != 0.0, "what the plain formula makes of it"
