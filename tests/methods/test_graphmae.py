"""GraphMAE: the scaled cosine error, the corruption, and that nothing hidden leaks."""

from __future__ import annotations

import math
from functools import partial

import changes
import pytest
import torch
from changes import order, rotation, row_scale, two_views, zero_rows
from harness import checks
from specs import Knob, Spec

from sslbook.methods.graphmae import scaled_cosine_error


def at_cosine(value: float):
    """One pair of rows with this cosine, of other lengths than 1."""
    z = torch.tensor([[3 * value, 3 * math.sqrt(1 - value**2)]], dtype=torch.float64)
    return z, torch.tensor([[0.7, 0.0]], dtype=torch.float64)


def loops(z, x, gamma):
    cosines = [float(a @ b / (a.norm() * b.norm())) for a, b in zip(z, x, strict=True)]
    return sum(max(0.0, 1 - c) ** gamma for c in cosines) / len(z)


def right_already(inputs, by):
    """Rounding takes some of these cosines over 1; a power of less than 0 would be nan."""
    return inputs[0], 3 * inputs[0]


def cosine_loss(z, x, gamma, inner=lambda c, g: (1 - c) ** g, over=torch.mean, dim=1):
    return over(inner(torch.cosine_similarity(z, x, dim=dim), gamma))


test_spec = checks(
    Spec(function=scaled_cosine_error, inputs=two_views,
         knobs={"gamma": Knob(3.0, (1.0, 2.0, 2.5), (0.5, 0.0, -1.0, math.nan, math.inf))},
         values=[((*at_cosine(0.5), 1), 0.5), ((*at_cosine(0.5), 2), 0.25),
                 ((*at_cosine(0.5), 3), 0.125), ((*at_cosine(1.0),), 0), ((*at_cosine(-1.0),), 8),
                 ((torch.zeros(3, 2), torch.ones(3, 2)), 1.0)],
         loops=loops, unchanged_by=[rotation, row_scale, order],
         changed_by=[changes.pairing, changes.sign], finite=[zero_rows, right_already], descent=1.0,
         refused=[(pair, says) for pair, says in changes.unlike_views() if "batch" not in says],
         right={"by cosine_similarity": cosine_loss},
         mutants={
             "the power of the mean": lambda z, x, g: cosine_loss(z, x, 1.0) ** g,
             "the similarity is scaled": partial(cosine_loss, inner=lambda c, g: 1 - c**g),
             "summed": partial(cosine_loss, over=torch.sum),
             "columns": partial(cosine_loss, dim=0)}))


# -- what is special to GraphMAE ------------------------------------------------------------------


@pytest.mark.parametrize(("cosine", "slope"), [(0.9, -0.03), (0.0, -3.0)])
def test_easy_nodes_weigh_a_hundred_times_less(cosine, slope):
    c = torch.tensor(cosine, dtype=torch.float64, requires_grad=True)
    z = torch.stack([c, (1 - c.square()).sqrt()])[None]
    x = torch.tensor([[1.0, 0.0]], dtype=torch.float64)
    (found,) = torch.autograd.grad(scaled_cosine_error(z, x, 3), c)
    assert float(found) == pytest.approx(slope, abs=1e-9)


def test_gamma_one_is_half_the_squared_distance_on_the_sphere():
    for seed, (n, d) in enumerate([(1, 1), (1, 5), (6, 4), (9, 7)]):
        z, x = two_views(seed, n, d)
        unit = [rows / rows.norm(dim=1, keepdim=True) for rows in (z, x)]
        half = (unit[0] - unit[1]).square().sum(dim=1).mean() / 2
        assert float(scaled_cosine_error(z, x, 1)) == pytest.approx(float(half), abs=1e-12)
