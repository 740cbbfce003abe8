"""Masks of patches: counts, streams, both halves of a batch."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from sslbook.core.streams import Streams
from sslbook.errors import UsageError
from sslbook.masks.patches import RandomPatches, hidden_count
from sslbook.training import Batches
from sslbook.views import Augment, Recipe

quick = settings(max_examples=30, deadline=None, derandomize=True)
RECIPE = Recipe(size=16, crop=(0.5, 1.0), jitter_p=0.0, gray=0.0)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def masker(ratio: float = 0.75) -> RandomPatches:
    return RandomPatches(Augment(RECIPE, (0.5,) * 3, (0.25,) * 3, 1), 16, ratio)


def images(count: int = 6) -> Tensor:
    return torch.randint(0, 256, (count, 3, 16, 16), dtype=torch.uint8, generator=generator(1))


@pytest.mark.parametrize(("patches", "ratio", "hidden"), [
    (64, 0.75, 48), (64, 0.985, 63), (64, 0.9, 58), (100, 0.9, 90), (10, 0.9, 9), (196, 0.985, 193),
    (16, 0.01, 1),
])
def test_counts_are_rounded_and_never_empty(patches: int, ratio: float, hidden: int) -> None:
    assert hidden_count(patches, ratio) == hidden


@pytest.mark.parametrize(("patches", "ratio"), [(16, 0.0), (16, 1.0), (1, 0.5), (16, math.nan)])
def test_a_mask_hides_some_and_not_all(patches: int, ratio: float) -> None:
    with pytest.raises(UsageError, match="hides all or nothing"):
        hidden_count(patches, ratio)


@quick
@given(st.integers(0, 2**31), st.sampled_from([0.1, 0.5, 0.75, 0.9]))
def test_visible_and_hidden_are_a_partition(seed: int, ratio: float) -> None:
    x, visible, hidden = masker(ratio)(images(), generator(seed))
    assert x.shape == (6, 3, 16, 16)
    assert x.dtype == torch.float32
    assert hidden.shape[1] == hidden_count(16, ratio)
    both = torch.cat((visible, hidden), 1).sort(dim=1).values
    assert torch.equal(both, torch.arange(16).expand(6, -1))


def test_the_permutation_is_the_argsort_of_uniform_noise() -> None:
    """The card's values: row 0 and 1 of MAE's masks under torch.manual_seed(0)."""
    order = torch.rand(2, 64, generator=generator()).argsort(dim=1)[:, :16]
    assert order[0].tolist() == [12, 35, 43, 27, 2, 57, 3, 44, 34, 58, 18, 13, 32, 28, 62, 55]
    assert order[1].tolist() == [19, 30, 60, 40, 16, 13, 51, 34, 43, 6, 42, 31, 15, 48, 61, 25]
    mask, own = masker(), generator(5)
    mask.augment.draws((2, 3, 16, 16), [own])  # the view is drawn first
    expected = torch.rand(2, 16, generator=own).argsort(dim=1)
    _, visible, hidden = mask(images(2), generator(5))
    assert torch.equal(torch.cat((visible, hidden), 1), expected)


def test_each_image_has_a_mask_of_its_own_and_all_places_are_hidden_equally_often() -> None:
    _, visible, hidden = masker()(images(1).expand(4000, -1, -1, -1), generator())
    assert len({tuple(sorted(row)) for row in visible[:50].tolist()}) > 40
    share = torch.bincount(hidden.flatten(), minlength=16) / 4000
    assert float((share - 0.75).abs().max()) < 4 * math.sqrt(0.75 * 0.25 / 4000)


def test_a_step_does_not_depend_on_what_is_drawn_beside_it() -> None:
    mask, shape = masker(), images().shape
    alone = mask.draws(shape, [generator(3)])[0]
    beside = mask.draws(shape, [generator(2), generator(3)])[1]
    assert torch.equal(alone, beside)
    for one, other in zip(mask.apply(images(), alone), mask(images(), generator(3)), strict=True):
        assert torch.equal(one, other)
    still = mask.apply(images(), alone, static=True)
    assert torch.allclose(still[0], mask.apply(images(), alone)[0], atol=1e-5)
    assert torch.equal(still[1], mask.apply(images(), alone)[1])


def test_batches_use_both_halves() -> None:
    streams, mask = Streams(3, "x"), masker()
    batches = Batches(images(12), 4, streams, mask)
    rows, numbers = batches.inputs(5)
    assert numbers.shape == (4, 14 + 16)
    by_hand = mask(rows, streams.torch("views", 5))
    for one, other in zip(batches(5), by_hand, strict=True):
        assert torch.equal(one, other)


def test_two_views_are_refused() -> None:
    with pytest.raises(UsageError, match="views=1"):
        RandomPatches(Augment(RECIPE, (0.5,) * 3, (0.25,) * 3, 2), 16, 0.75)
