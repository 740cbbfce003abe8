"""Label-free diagnostics: identities, fixtures, and what each of them cannot see."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from sslbook.errors import UsageError, UserError
from sslbook.judging import diagnostics as d

K = torch.arange(12, dtype=torch.float64).view(4, 3)
A, B = torch.sin(1 + K), torch.cos(0.5 * (1 + K))
MEASURES = (d.rankme, d.uniformity, d.collapse_level, d.spread)
quick = settings(max_examples=30, deadline=None, derandomize=True)


def random(seed: int, n: int, width: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, width, generator=generator, dtype=torch.float64)


# -- RankMe and spectrum --------------------------------------------------------------------------


def test_rankme_fixture() -> None:
    assert d.rankme(A) == pytest.approx(1.475567, abs=6e-7)
    assert d.rankme(A, eps=0) == pytest.approx(1.475564, abs=6e-7)
    assert d.rankme(A - A.mean(0)) == pytest.approx(1.441241, abs=6e-7)


@pytest.mark.parametrize("n", [1, 2, 5, 30])
def test_rankme_of_the_identity_is_n(n: int) -> None:
    eye = torch.eye(n, dtype=torch.float64)
    assert d.rankme(eye, eps=0) == pytest.approx(n)
    assert d.rankme(eye) == pytest.approx(n, rel=1e-5)
    assert n != 5 or d.rankme(eye) == pytest.approx(5.000002, abs=5e-7)


def test_rankme_of_rank_one_and_of_a_known_spectrum() -> None:
    outer = random(0, 9, 1) @ random(1, 1, 4)
    assert d.rankme(outer, eps=0) == pytest.approx(1, abs=1e-6)
    assert d.rankme(torch.diag(torch.tensor([4.0, 2, 1, 1])), eps=0) == pytest.approx(2**1.75)
    shares = d.spectrum(torch.diag(torch.tensor([1.0, 4, 1, 2])))
    assert shares.tolist() == pytest.approx([0.5, 0.25, 0.125, 0.125])


@quick
@given(st.integers(0, 2**31), st.integers(1, 9), st.integers(1, 9), st.floats(1e-6, 1e6))
def test_rankme_bounds_and_invariances(seed: int, n: int, width: int, scale: float) -> None:
    z = random(seed, n, width)
    rank = d.rankme(z, eps=0)
    assert 1 - 1e-9 <= rank <= min(n, width) + 1e-9
    rotation = torch.linalg.qr(random(seed + 1, width, width)).Q
    assert d.rankme(scale * z @ rotation, eps=0) == pytest.approx(rank, rel=1e-7)
    assert float(d.spectrum(z).sum()) == pytest.approx(1)
    assert (d.spectrum(z).diff() <= 0).all()


def test_rankme_is_the_entropy_of_numpys_singular_values() -> None:
    z = random(3, 40, 12)
    values = np.linalg.svd(z.numpy(), compute_uv=False)
    shares = values / values.sum() + 1e-7
    assert d.rankme(z) == pytest.approx(math.exp(-(shares * np.log(shares)).sum()), rel=1e-9)


def test_only_spread_sees_embeddings_shrink_to_zero() -> None:
    z = random(4, 64, 8)
    for measure in (d.rankme, d.uniformity, d.collapse_level):
        assert measure(z * 1e-6) == pytest.approx(measure(z), rel=1e-6)
    assert d.spread(z * 1e-6) == pytest.approx(1e-6 * d.spread(z))
    assert d.spread(z) == pytest.approx(float(np.std(z.numpy(), axis=0).mean()))


# -- alignment, uniformity, collapse --------------------------------------------------------------


def test_alignment_by_hand() -> None:
    right, up = torch.tensor([[2.0, 0.0]]), torch.tensor([[0.0, 5.0]])
    assert d.alignment(right, 3 * right) == 0
    assert d.alignment(right, up) == pytest.approx(2)
    assert d.alignment(right, -right) == pytest.approx(4)
    assert d.alignment(A, B) == pytest.approx(2.022149, abs=6e-7)  # mean of 2 - 2 cos


def test_uniformity_is_the_log_mean_potential_of_pairs() -> None:
    z = random(5, 37, 6)
    unit = z / z.norm(dim=1, keepdim=True)
    for t in (2.0, 0.5):
        oracle = torch.pdist(unit).square().mul(-t).exp().mean().log()
        assert d.uniformity(z, t) == pytest.approx(float(oracle), rel=1e-9)
        assert d.uniformity(z, t, chunk=5) == pytest.approx(float(oracle), rel=1e-9)
    opposite = torch.tensor([[1.0, 0], [-1, 0]])
    assert d.uniformity(opposite) == pytest.approx(-8)
    assert d.uniformity(torch.ones(5, 3)) == pytest.approx(0, abs=1e-9)
    assert d.uniformity(random(6, 500, 256)) == pytest.approx(-4, abs=0.1)


@quick
@given(st.integers(0, 2**31), st.integers(2, 20), st.integers(1, 8))
def test_collapse_level_lies_between_0_and_1(seed: int, n: int, width: int) -> None:
    z = random(seed, n, width)
    assert 0 <= d.collapse_level(z) <= 1
    assert -8 - 1e-9 <= d.uniformity(z) <= 1e-9
    near = d.collapse_level(torch.ones(n, width) + 1e-3 * z)
    assert near > 0.99


def test_collapse_level_by_hand() -> None:
    axes = torch.cat([torch.eye(3), -torch.eye(3)])  # each column: 2 of 6 entries are +-1
    assert d.collapse_level(axes) == pytest.approx(0, abs=1e-6)
    assert d.collapse_level(torch.ones(4, 3)) == pytest.approx(1)
    assert d.collapse_level(random(7, 4000, 32)) < 0.02
    half = torch.tensor([[1.0, 0], [0, 1.0]])  # std .5 per column: 1 - sqrt(2) / 2
    assert d.collapse_level(half) == pytest.approx(1 - math.sqrt(2) / 2)


def test_collapse_to_a_line_shows_in_rank_more_than_in_collapse_level() -> None:
    line = random(8, 500, 1) @ torch.ones(1, 16, dtype=torch.float64)
    assert d.rankme(line) < 1.01
    assert d.collapse_level(line) < 0.05


# -- edges ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("z", [torch.zeros(4, 3), torch.zeros(1, 1), torch.ones(1, 5)])
def test_zeros_and_single_rows_give_finite_documented_values(z: Tensor) -> None:
    assert d.rankme(z) == pytest.approx(float(z.any()), abs=1e-5)
    assert d.collapse_level(z) == 1
    assert (d.uniformity(z), d.alignment(z, z), d.spread(z)) == (0, 0, 0)


def test_a_row_of_zeros_among_others_is_finite() -> None:
    z = random(9, 6, 3)
    z[2] = 0
    assert all(math.isfinite(measure(z)) for measure in (*MEASURES, lambda z: d.alignment(z, z)))


@pytest.mark.parametrize("measure", MEASURES)
def test_embeddings_are_left_alone_and_half_precision_is_enough(measure) -> None:
    z = A.clone().requires_grad_()
    found = measure(z)
    assert torch.equal(z, A)
    for half in (torch.float16, torch.bfloat16):
        assert measure(A.to(half)) == pytest.approx(found, abs=0.02)


@pytest.mark.parametrize("bad", [torch.zeros(3), torch.zeros(0, 3), torch.zeros(2, 3, 4), [1.0]])
def test_wrong_shapes_are_refused(bad: object) -> None:
    for measure in MEASURES:
        with pytest.raises(UsageError, match=r"\(N, D\)"):
            measure(bad)


def test_nan_bad_knobs_and_unequal_views_are_named() -> None:
    with pytest.raises(UserError, match="NaN"):
        d.rankme(torch.tensor([[1.0, math.nan]]))
    with pytest.raises(UsageError, match="eps"):
        d.rankme(A, eps=-1)
    with pytest.raises(UsageError, match="t=0"):
        d.uniformity(A, t=0)
    with pytest.raises(UsageError, match="differ in shape"):
        d.alignment(A, B[:2])
