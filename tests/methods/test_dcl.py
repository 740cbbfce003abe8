"""DCL: softplus and coupling identities, mutants."""

from __future__ import annotations

import math
from functools import partial

import changes
import pytest
import torch
from changes import A, B, order, pairing, rotation, row_scale, swap, two_views, zero_rows
from contrastive import masked, other_view_alone, products, terms
from harness import checks
from specs import PAIRS, Spec, lightly, positive
from torch import Tensor

from sslbook.methods.dcl import coupling, coupling_of, dcl_loss, dcl_terms
from sslbook.methods.simclr import nt_xent_loss, similarity

EYE = torch.eye(12, dtype=torch.bool)


def detached_negatives(z1: Tensor, z2: Tensor, t: float) -> Tensor:
    """The right value with the wrong gradient."""
    pulled = similarity(z1, z2).diagonal(len(z1)).mean() / t
    return (dcl_loss(z1, z2, t) + pulled).detach() - pulled


VIEWS = {"inputs": two_views, "refused": changes.unlike_views(),
         "finite": [zero_rows], "extremes": [{"temperature": 1e-3}]}
LOSS = {**VIEWS, "unchanged_by": [rotation, row_scale, order, swap], "changed_by": [pairing],
        "descent": 0.02}
test_spec = checks(
    Spec(function=dcl_loss, **LOSS, knobs={"temperature": positive(0.1, 0.5)},
         values=[((A, B, 0.5), 2.654491), ((A, B, 0.1), 9.768156),
                 ((torch.ones(5, 3), torch.ones(5, 3)), math.log(8)),
                 ((torch.eye(4), torch.eye(4), 0.5), math.log(6) - 2)],
         loops=lambda a, b, temperature: terms(a, b, temperature, decoupled=True).mean(),
         oracle=lightly("DCLLoss", temperature="temperature"),
         cases=[(*two_views(0), 0.1), (*two_views(1), 0.5)],
         right={"by a mask": masked(EYE | EYE.roll(6, 0))},
         mutants={
             "the positive stays in the sum": nt_xent_loss,
             "the view itself stays": masked(EYE.roll(6, 0)),
             "no normalisation": masked(EYE | EYE.roll(6, 0), products),
             "one direction only": lambda a, b, t: dcl_terms(a, b, t)[: len(a)].mean(),
             "both directions added up": lambda a, b, t: 2 * dcl_loss(a, b, t),
             "negatives of the other view alone": partial(other_view_alone, decoupled=True),
             "no temperature": lambda a, b, t: dcl_loss(a, b, 1.0),
             "negatives without gradient": detached_negatives}),
    Spec(function=dcl_terms, **VIEWS, knobs={"temperature": positive(0.1, 0.2)},
         loops=partial(terms, decoupled=True)),
    Spec(function=coupling, **VIEWS, knobs={"temperature": positive(0.1)}),
    Spec(function=coupling_of, inputs=lambda seed, n=4: (n, 0.1), shapes=[(4,)], gradcheck=False,
         half=False, refused=[((1, 0.1), "batch of 1"), *(((4, bad), "temperature")
                              for bad in (0, -0.1, math.nan, math.inf))]))


def test_nt_xent_is_the_softplus_of_dcl_and_its_gradient_q_times_as_long() -> None:
    for seed, ((n, d), t) in enumerate((pair, t) for pair in PAIRS for t in (0.07, 0.1, 0.5, 1)):
        a, b = (z.requires_grad_() for z in two_views(seed, n, d))
        free, q = dcl_terms(a, b, t), coupling(a, b, t)
        scores = similarity(a, b) / t
        others = scores.masked_fill(torch.eye(2 * n, dtype=torch.bool), -math.inf).logsumexp(1)
        nce = others - scores.diagonal(n).repeat(2)
        whole = nt_xent_loss(a, b, t)
        for found, wanted in ((torch.nn.functional.softplus(free, threshold=1e9), nce),
                              (nce.mean(), whole), (whole - dcl_loss(a, b, t), -q.log().mean())):
            torch.testing.assert_close(found, wanted, rtol=1e-9, atol=1e-9)
        left = torch.autograd.grad(nce[0], (a, b), retain_graph=True)
        right = [q[0].detach() * one for one in torch.autograd.grad(free[0], (a, b))]
        torch.testing.assert_close(left, tuple(right), rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize(("samples", "temperature", "value"), [
    (32, 0.1, 0.002807), (256, 0.1, 0.022630), (32, 0.5, 0.893513), (256, 0.5, 0.985719)])
def test_closed_form_of_the_coupling(samples: int, temperature: float, value: float) -> None:
    assert coupling_of(samples, temperature) == pytest.approx(value, abs=6e-7)
    eye = torch.eye(samples, dtype=torch.float64)
    found = coupling(eye, eye, temperature)
    assert found.tolist() == pytest.approx([coupling_of(samples, temperature)] * 2 * samples)
    values = [coupling_of(n, temperature) for n in (2, 8, 32, 128, 512)]
    assert [0, *values, 1] == sorted({0, *values, 1})


def test_other_closed_forms() -> None:
    same = torch.ones(5, 3, dtype=torch.float64)
    for t, first in ((0.1, [0.515473, 0.900808, 1, 1]),
                     (0.5, [0.623079, 0.739290, 0.991506, 0.991455])):  # the card's
        assert coupling(A, B, t)[:4].tolist() == pytest.approx(first, abs=6e-7)
    expected = coupling_of(5, 0.3, positive=1.0, negative=1.0)
    assert expected == pytest.approx(8 / 9)
    assert coupling(same, same, 0.3).tolist() == pytest.approx([expected] * 10)
    assert coupling_of(4, 1e-4) == 0.0  # no overflow
    assert coupling_of(4, 1e-4, positive=0.0, negative=1.0) == 1.0
