"""Masks of a row's columns: disjoint, within their shares, every column equally often."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sslbook.errors import UsageError
from sslbook.masks.columns import column_masks

CONTEXT, TARGET = (0.136, 0.368), (0.156, 0.622)  # shares of the official launch script
seeds = st.integers(0, 2**31)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(st.integers(8, 60), st.integers(1, 5), seeds)
def test_masks_are_disjoint_and_within_their_shares(columns, rows, seed):
    generator = torch.Generator().manual_seed(seed)
    seen, wanted = column_masks(rows, columns, CONTEXT, TARGET, 4, generator)
    assert seen.shape == (rows, columns)
    assert wanted.shape == (4, rows, columns)
    assert not (seen & wanted).any()
    sizes = seen.sum(dim=-1), wanted.sum(dim=-1)
    for size, (low, high) in zip(sizes, (CONTEXT, TARGET), strict=True):
        assert int(size.min()) >= max(1, math.ceil(low * columns))
        assert int(size.max()) <= max(1, math.floor(high * columns))


def test_every_column_is_seen_and_wanted_equally_often():
    generator = torch.Generator().manual_seed(0)
    seen, wanted = column_masks(4000, 10, CONTEXT, TARGET, 2, generator)
    for mask in (seen, wanted[0], wanted[1]):
        share = mask.float().mean(dim=0)
        assert float((share - share.mean()).abs().max()) < 0.03
    assert not torch.equal(wanted[0], wanted[1])
    assert len(seen.unique(dim=0)) > 20, "every row has its own context"


def test_all_sizes_of_a_range_occur():
    generator = torch.Generator().manual_seed(0)
    seen, _ = column_masks(400, 20, (0.2, 0.4), (0.2, 0.5), 1, generator)
    assert seen.sum(dim=-1).unique().tolist() == [4, 5, 6, 7, 8]


def test_few_columns_are_refused():
    with pytest.raises(UsageError, match="8 columns or more"):
        column_masks(4, 7, CONTEXT, TARGET, 4, torch.Generator())
    with pytest.raises(UsageError, match="smaller context"):
        column_masks(4, 10, (0.5, 1.0), TARGET, 4, torch.Generator())
